"""The form of a response without what it says, for others to look at.

By construction: of a body only what is named here is taken over, words only where they
are among those that the API is known to use. A text becomes filler of its shape: each
letter another letter, each digit a zero, while spaces, line ends and ASCII punctuation
stand. So spans still fit, and Markdown is still Markdown.
"""

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

JSON = dict[str, Any]
OTHER = "unheard_of"  # in place of a word that is not known
FILLER = "loremipsumdolorsitametconsecteturadipiscingelit"
FARTHEST = 10_000_000  # characters from the beginning of a text


@dataclass
class Redactor:
    """How the texts of one recording are treated.

    `names` are those that the job's type itself gives: of functions and of fields.
    `codes` are the errors that are known.
    """

    keep_text: bool = False
    names: Collection[str] = ()
    codes: Collection[str] = ()
    _urls: dict[str, str] = field(default_factory=dict)

    def text(self, value: Any) -> str:
        said = value if isinstance(value, str) else ""
        return said if self.keep_text else filler(said)

    def name(self, value: Any) -> str:
        is_ours = isinstance(value, str) and value in self.names
        return value if is_ours else self.text(value)

    def code(self, value: Any) -> str:
        return value if isinstance(value, str) and value in self.codes else OTHER

    def url(self, value: Any) -> str:
        """The same one for the same page."""
        if self.keep_text or not isinstance(value, str):
            return self.text(value)
        made = f"https://source-{len(self._urls) + 1}.example/"
        return self._urls.setdefault(value, made)

    def arguments(self, value: Any) -> str:
        """JSON stays JSON of this form."""
        if self.keep_text or not isinstance(value, str):
            return self.text(value)
        try:
            return json.dumps(self.value(json.loads(value)))
        except (ValueError, RecursionError):
            return filler(value)

    def value(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {self.name(key): self.value(one) for key, one in value.items()}
        if isinstance(value, list):
            return [self.value(one) for one in value]
        if isinstance(value, str):
            return filler(value)
        return None if value is None else type(value)(0)


Keep = Callable[[Redactor, Any], Any]


def filler(text: str) -> str:
    """Another text of the same shape, as long in code points."""
    return "".join(map(_filler_at, range(len(text)), text))


def _filler_at(place: int, said: str) -> str:
    if said.isalpha():
        letter = FILLER[place % len(FILLER)]
        return letter.upper() if said.isupper() else letter
    if said.isalnum():
        return "0"
    if said == "\n" or (said.isascii() and said.isprintable()):
        return said
    return " " if said.isspace() else "?"  # what is invisible may say something, too


# ---- what is taken over --------------------------------------------------------------


def one_of(*known: str) -> Keep:
    def keep(redactor: Redactor, value: Any) -> str:
        return value if value in known else OTHER

    return keep


def place(redactor: Redactor, value: Any) -> int:
    return value if type(value) is int and 0 <= value <= FARTHEST else 0


def each(keep: Keep) -> Keep:
    def keep_all(redactor: Redactor, values: Any) -> list[Any]:
        found = values if isinstance(values, list) else []
        return [keep(redactor, value) for value in found]

    return keep_all


def only(**fields: Keep) -> Keep:
    """Of an object, these fields and no other, where it has them."""

    def keep(redactor: Redactor, value: Any) -> JSON:
        found = value if isinstance(value, dict) else {}
        return {
            name: take(redactor, found[name])
            for name, take in fields.items()
            if found.get(name) is not None
        }

    return keep


status = one_of("completed", "incomplete", "in_progress", "failed", "searching")
source = only(
    type=one_of("url", "api"), url=Redactor.url, title=Redactor.text, text=Redactor.text
)
note = only(
    type=one_of("url_citation", "file_citation", "container_file_citation"),
    start_index=place,
    end_index=place,
    index=place,
    url=Redactor.url,
    title=Redactor.text,
    filename=Redactor.text,
)
part = only(
    type=one_of("output_text", "refusal", "summary_text", "reasoning_text"),
    text=Redactor.text,
    refusal=Redactor.text,
    annotations=each(note),
)
action = only(
    type=one_of("search", "open_page", "find", "find_in_page"),
    query=Redactor.text,
    queries=each(Redactor.text),
    url=Redactor.url,
    pattern=Redactor.text,
    sources=each(source),
)
ITEMS = {
    "reasoning": only(status=status, summary=each(part)),
    "message": only(
        status=status,
        role=one_of("assistant"),
        phase=one_of("commentary", "final_answer"),
        content=each(part),
    ),
    "web_search_call": only(status=status, action=action, results=each(source)),
    "file_search_call": only(
        status=status,
        queries=each(Redactor.text),
        results=each(only(filename=Redactor.text, text=Redactor.text)),
    ),
    "code_interpreter_call": only(
        status=status,
        code=Redactor.text,
        outputs=each(only(type=one_of("logs", "image"), logs=Redactor.text)),
    ),
    "function_call": only(
        status=status, name=Redactor.name, arguments=Redactor.arguments
    ),
    "mcp_approval_request": only(
        server_label=Redactor.name, name=Redactor.name, arguments=Redactor.arguments
    ),
    "mcp_call": only(
        status=status,
        server_label=Redactor.name,
        name=Redactor.name,
        arguments=Redactor.arguments,
        output=Redactor.text,
        error=Redactor.text,
    ),
}
response = only(
    status=one_of("completed", "incomplete", "failed", "cancelled"),
    error=only(code=Redactor.code, message=Redactor.text),
    incomplete_details=only(reason=one_of("max_output_tokens", "content_filter")),
)


def redact(body: str, redactor: Redactor) -> JSON:
    """What a body shows of how its run went; ValueError if it is no JSON object."""
    said = json.loads(body)
    if not isinstance(said, dict):
        raise ValueError("the body is no response")
    output = said.get("output")
    return {
        "status": OTHER,
        **response(redactor, said),
        "flagged": _flagged(said.get("moderation")),
        "seconds": _seconds(said),
        "output": [
            _item(redactor, one) for one in output or [] if isinstance(one, dict)
        ],
    }


def _item(redactor: Redactor, item: JSON) -> JSON:
    kind = item.get("type")
    if not isinstance(kind, str) or kind not in ITEMS:
        return {"type": OTHER}
    return {"type": kind, **ITEMS[kind](redactor, item)}


def _flagged(moderation: Any) -> str:
    """Which side moderation disliked."""
    found = moderation if isinstance(moderation, dict) else {}
    sides = [side for side in ("input", "output") if _is_flagged(found.get(side))]
    return sides[0] if sides else ""


def _is_flagged(side: Any) -> bool:
    return isinstance(side, dict) and side.get("flagged") is True


def _seconds(said: JSON) -> int | None:
    """How long it took."""
    began, ended = said.get("created_at"), said.get("completed_at")
    if type(began) is int and type(ended) is int and 0 <= ended - began <= 86_400:
        return ended - began
    return None
