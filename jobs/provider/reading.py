"""A response body of the provider, read into a Snapshot.

Everything in a body is somebody else's word: fields may be missing, of another type or
unknown, and nothing here may fail because of it. Items are told apart by their `type`.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import orjson

from jobs.provider.base import Call, Cited, Snapshot, Source, State, Step, Usage

STATES = {
    "queued": State.WORKING,
    "in_progress": State.WORKING,
    "completed": State.COMPLETED,
    "incomplete": State.INCOMPLETE,
    "failed": State.FAILED,
    "cancelled": State.CANCELLED,
}  # anything else: State.UNKNOWN
TITLED = re.compile(r"\*\*(.+?)\*\*\s*")
MOST = 1_000  # steps, and citations: a long answer has some tens; each is a row
LABEL = 300  # characters; EvidenceTrace.label
SNIPPET = 600  # characters: to recognise a passage by, not to read the page again
ID = 200  # characters; Attempt.response_id
Item = dict[str, Any]


class NotAResponse(ValueError):
    """The body is no JSON object with an id of a sensible length."""


def read_response(body: bytes) -> Snapshot:
    """What this body says; raises NotAResponse when it says nothing."""
    said = parse(body)
    if not (isinstance(said, dict) and 0 < len(_text(said.get("id"))) <= ID):
        raise NotAResponse("the body has no response id")
    items = [item for item in _list(said, "output") if isinstance(item, dict)]
    text, citations, refusal = _answer(items)
    error = _dict(said, "error")
    return Snapshot(
        response_id=_text(said["id"]),
        state=STATES.get(_text(said.get("status")), State.UNKNOWN),
        said=_text(said.get("status"))[:40],
        raw=storable(body.decode(errors="replace")),
        text=text,
        refusal=refusal,
        incomplete_reason=_text(_dict(said, "incomplete_details").get("reason")),
        error_code=_text(error.get("code")),
        error_message=_text(error.get("message")),
        moderated=_moderated(said),
        steps=_capped([step for item in items for step in _steps(item)]),
        citations=tuple(citations[:MOST]),
        calls=tuple(call for item in items for call in _calls(item)),
        usage=_usage(_dict(said, "usage")),
        metadata={
            _text(k): _text(v) for k, v in _dict(said, "metadata").items() if _text(v)
        },
    )


# ---- the answer ------------------------------------------------------------------


def _answer(items: list[Item]) -> tuple[str, list[Cited], str]:
    """The final text, its citations with spans into it, and a refusal if any."""
    messages = [item for item in items if item.get("type") == "message"]
    final = [item for item in messages if item.get("phase") != "commentary"]
    text, citations, refusals = "", [], []
    for part in (part for item in final for part in _parts(item)):
        if part.get("type") == "refusal":
            refusals.append(_text(part.get("refusal")))
        elif part.get("type") == "output_text":
            text += "\n\n" if text else ""
            own = _text(part.get("text"))
            citations += [_cited(note, own, len(text)) for note in _notes(part)]
            text += own
    return text, citations, "\n".join(refusals)


def _cited(note: Item, own: str, offset: int) -> Cited:
    """A span clamped to its own part, then moved to where that part begins."""
    start = min(max(_int(note.get("start_index", note.get("index"))), 0), len(own))
    end = min(max(_int(note.get("end_index")), start), len(own))
    source = Source(
        title=_text(note.get("title")),
        url=_text(note.get("url")),
        file=_text(note.get("filename")) or _text(note.get("file_id")),
    )
    return Cited(start + offset, end + offset, source)


def _parts(message: Item) -> Iterator[Item]:
    return (part for part in _list(message, "content") if isinstance(part, dict))


def _notes(part: Item) -> Iterator[Item]:
    return (note for note in _list(part, "annotations") if isinstance(note, dict))


# ---- the evidence ----------------------------------------------------------------


def _reasoning(item: Item) -> Step:
    """Summaries begin with a title in bold; the first one names the step."""
    parts = [_text(part.get("text")).strip() for part in _dicts(item, "summary")]
    titled = TITLED.match(parts[0]) if parts else None
    if titled:
        parts[0] = parts[0][titled.end() :]
    text = "\n\n".join(filter(None, parts))
    return Step("reasoning", titled[1][:LABEL] if titled else "", text)


def _web_search(item: Item) -> Step:
    action = _dict(item, "action")
    asked = _text(action.get("query")) or ", ".join(
        _text(query) for query in _list(action, "queries")
    )
    place = asked or _text(action.get("url")) or _text(action.get("pattern"))
    read = {_text(hit.get("url")): _snippet(hit) for hit in _dicts(item, "results")}
    found = [
        Source(
            title=_text(source.get("title")),
            url=(url := _text(source.get("url"))),
            snippet=read.get(url, ""),
        )
        for source in _dicts(action, "sources")
    ]
    return Step("web_search", place[:LABEL], _status(item), tuple(found))


def _file_search(item: Item) -> Step:
    asked = ", ".join(_text(query) for query in _list(item, "queries"))
    found = [
        Source(
            title=_text(hit.get("filename")),
            file=_text(hit.get("file_id")),
            snippet=_snippet(hit),
        )
        for hit in _dicts(item, "results")
    ]
    return Step("file_search", asked[:LABEL], _status(item), tuple(found))


def _snippet(hit: Item) -> str:
    """What a search read of a source; of a page, its field is not documented."""
    return (_text(hit.get("text")) or _text(hit.get("snippet")))[:SNIPPET]


def _code(item: Item) -> Step:
    logs = [_text(out.get("logs")) for out in _dicts(item, "outputs")]
    code = "\n\n".join(filter(None, [_text(item.get("code")), *logs]))
    return Step("code", _status(item), code)


def _tool(item: Item) -> Step:
    label = " · ".join(
        filter(None, [_text(item.get("server_label")), _text(item.get("name"))])
    )
    said = [_text(item.get("arguments")), _text(item.get("output"))]
    return Step("tool_call", label[:LABEL], "\n\n".join(filter(None, said)))


def _message(item: Item) -> Step:
    said = [_text(part.get("text")) for part in _parts(item)]
    label = "commentary" if item.get("phase") == "commentary" else "the answer"
    text = "\n\n".join(filter(None, said)) if label == "commentary" else ""
    return Step("message", label, text)


READERS: dict[str, Callable[[Item], Step]] = {
    "reasoning": _reasoning,
    "web_search_call": _web_search,
    "file_search_call": _file_search,
    "code_interpreter_call": _code,
    "mcp_call": _tool,
    "mcp_list_tools": _tool,
    "mcp_approval_request": _tool,
    "function_call": _tool,
    "message": _message,
}


def _steps(item: Item) -> Iterator[Step]:
    kind = _text(item.get("type"))
    if reader := READERS.get(kind):
        yield reader(item)
    else:
        yield Step("other", kind[:LABEL])


def _calls(item: Item) -> Iterator[Call]:
    name, arguments = _text(item.get("name")), _text(item.get("arguments"))
    if item.get("type") == "function_call":
        yield Call(_text(item.get("call_id")), "function", name, arguments)
    if item.get("type") == "mcp_approval_request":
        whole = " · ".join(filter(None, [_text(item.get("server_label")), name]))
        yield Call(_text(item.get("id")), "mcp_approval", whole, arguments)


def _capped(steps: list[Step]) -> tuple[Step, ...]:
    """The first of them; how many there were is a step of its own."""
    if len(steps) <= MOST:
        return tuple(steps)
    left = Step("other", f"{len(steps) - MOST} further steps: see the raw response")
    return (*steps[:MOST], left)


def _status(item: Item) -> str:
    status = _text(item.get("status"))
    return "" if status == "completed" else status[:LABEL]


# ---- leniency --------------------------------------------------------------------


def _moderated(said: Item) -> bool:
    """Flagged on either side; or it should have been looked at, and that failed."""
    moderation = _dict(said, "moderation")
    found = [_dict(moderation, side) for side in ("input", "output")]
    return any(m.get("flagged") is True or m.get("type") == "error" for m in found)


def _usage(usage: Item) -> Usage:
    def count(name: str) -> int | None:
        value = usage.get(name)
        return value if isinstance(value, int) and 0 <= value < 2**62 else None

    return Usage(count("input_tokens"), count("output_tokens"), count("total_tokens"))


def parse(body: bytes) -> Any:
    """The JSON of a body; NotAResponse where it is none."""
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        try:  # the standard library is laxer about surrogates
            return json.loads(body)
        except (ValueError, RecursionError) as error:
            raise NotAResponse(f"the body is not JSON: {error}") from error
    return said


def _text(value: Any) -> str:
    return storable(value) if isinstance(value, str) else ""


def storable(text: str) -> str:
    """No database takes NUL or half a surrogate pair; lengths stay as they are."""
    if text.isascii():
        return text.replace("\0", "\ufffd")
    cleaned = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return cleaned.replace("\0", "\ufffd")


def _int(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _dict(whole: Item, name: str) -> Item:
    value = whole.get(name)
    return value if isinstance(value, dict) else {}


def _list(whole: Item, name: str) -> list[Any]:
    value = whole.get(name)
    return value if isinstance(value, list) else []


def _dicts(whole: Item, name: str) -> list[Item]:
    return [value for value in _list(whole, name) if isinstance(value, dict)]
