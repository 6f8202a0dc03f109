"""What the provider says, read into our own words, whatever it says."""

import copy
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.models import Attempt, EvidenceTrace
from jobs.provider.base import Call, Cited, Snapshot, Source, State, Step, Usage
from jobs.provider.reading import NotAResponse, read_response


def body_of(*output: Any, **said: Any) -> bytes:
    known = {"id": "resp_1", "status": "completed", "output": list(output)}
    return json.dumps(known | said).encode()


def read(*output: Any, **said: Any) -> Snapshot:
    return read_response(body_of(*output, **said))


def message(*parts: Any, **said: Any) -> dict[str, Any]:
    return {"type": "message", "role": "assistant", "content": list(parts)} | said


def part(text: str, *annotations: Any) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": list(annotations)}


def cites(start: Any, end: Any, **said: Any) -> dict[str, Any]:
    known = {"type": "url_citation", "start_index": start, "end_index": end}
    return known | {"url": "https://a.example/", "title": "A"} | said


RESEARCH = [
    {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]},
    {
        "type": "web_search_call",
        "status": "completed",
        "action": {
            "type": "search",
            "query": "tide tables",
            "sources": [{"type": "url", "url": "https://a.example/", "title": "A"}],
        },
        "results": [{"url": "https://a.example/", "text": "High tide at six."}],
    },
    message(part("The tide is high.", cites(4, 8)), status="completed"),
]
WHOLE = {
    "metadata": {"job": "7c0f", "attempt": "51aa"},
    "usage": {"input_tokens": 12, "output_tokens": 5, "total_tokens": 17},
    "error": None,
    "incomplete_details": None,
    "created_at": 1_774_000_000,
}


def test_a_response_is_read_into_our_own_words():
    body = body_of(*RESEARCH, **WHOLE)
    source = Source(title="A", url="https://a.example/")
    found = replace(source, snippet="High tide at six.")

    assert read_response(body) == Snapshot(
        response_id="resp_1",
        state=State.COMPLETED,
        said="completed",
        raw=body.decode(),
        text="The tide is high.",
        citations=(Cited(4, 8, source),),
        steps=(
            Step("reasoning", text="Hm."),
            Step("web_search", "tide tables", sources=(found,)),
            Step("message", "the answer"),
        ),
        usage=Usage(12, 5, 17),
        metadata={"job": "7c0f", "attempt": "51aa"},
    )


@pytest.mark.parametrize(
    ("word", "state"),
    [
        *[("queued", "working"), ("in_progress", "working")],
        *[("completed", "completed"), ("incomplete", "incomplete")],
        *[("failed", "failed"), ("cancelled", "cancelled")],
        *[("paused", "unknown"), ("Completed", "unknown"), ("", "unknown")],
        *[(None, "unknown"), (7, "unknown"), (["completed"], "unknown")],
    ],
)
def test_a_status_is_one_of_ours_or_unknown(word, state):
    assert read(status=word).state == state


# ---- the answer ------------------------------------------------------------------


def test_the_spans_of_a_later_part_move_to_where_it_stands_in_the_answer():
    said = read(
        message(part("One, two.", cites(0, 3)), part("Three.", cites(0, 5))),
        message(part("Fünf \U0001f6a2 six.", cites(5, 6), cites(7, 10))),
    )

    assert said.text == "One, two.\n\nThree.\n\nFünf \U0001f6a2 six."
    quotes = [said.text[cited.start : cited.end] for cited in said.citations]
    assert quotes == ["One", "Three", "\U0001f6a2", "six"]


@pytest.mark.parametrize(
    ("start", "end", "quote"),
    [
        *[(0, 9, "One, two."), (0, 10, "One, two."), (5, 2**40, "two.")],
        *[(-3, 3, "One"), (9, 9, ""), (12, 20, ""), (5, 3, ""), (-9, -3, "")],
        *[(None, 3, "One"), ("0", 3, "One"), (5, None, ""), (1.5, 3.5, "")],
        *[(10**30, 10**31, "")],
    ],
)
def test_a_span_never_leaves_its_own_part(start, end, quote):
    said = read(message(part("One, two.", cites(start, end)), part("Three.")))
    (cited,) = said.citations
    assert said.text[cited.start : cited.end] == quote
    assert 0 <= cited.start <= cited.end <= 9


def test_a_file_is_cited_by_its_name_at_one_place():
    note = {"type": "file_citation", "index": 3, "file_id": "f_1", "filename": "a.pdf"}
    said = read(message(part("See.", note, {**note, "filename": None})))
    assert [cited.source.file for cited in said.citations] == ["a.pdf", "f_1"]
    assert [(cited.start, cited.end) for cited in said.citations] == [(3, 3), (3, 3)]


def test_commentary_is_a_step_and_no_part_of_the_answer():
    said = read(
        message(part("Let me see.", cites(0, 3)), phase="commentary"),
        message(part("Yes.", cites(0, 3)), phase="final_answer"),
    )
    assert said.text == "Yes."
    assert said.citations[0].start == 0
    assert len(said.citations) == 1
    assert said.steps == (
        Step("message", "commentary", "Let me see."),
        Step("message", "the answer"),
    )


def test_a_refusal_is_kept_apart_from_the_text():
    said = read(
        message(part("It is "), {"type": "refusal", "refusal": "I can't say."}),
        message({"type": "refusal", "refusal": "Really."}),
    )
    assert (said.text, said.refusal) == ("It is ", "I can't say.\nReally.")


def test_what_went_wrong_is_told():
    failed = read(status="failed", error={"code": "server_error", "message": "Sorry."})
    assert (failed.error_code, failed.error_message) == ("server_error", "Sorry.")
    cut = read(status="incomplete", incomplete_details={"reason": "content_filter"})
    assert cut.incomplete_reason == "content_filter"


@pytest.mark.parametrize(
    ("moderation", "flagged"),
    [
        ({"input": {"flagged": True}}, True),
        ({"output": {"flagged": True}}, True),
        ({"input": {"flagged": False}, "output": {"flagged": False}}, False),
        ({"input": {"flagged": "yes"}}, False),
        (None, False),
    ],
)
def test_moderation_flags_either_side(moderation, flagged):
    assert read(moderation=moderation).moderated is flagged


@pytest.mark.parametrize(
    ("said", "count"), [(0, 0), (17, 17), (-1, None), ("5", None), (5.5, None)]
)
def test_tokens_are_counted_or_unknown(said, count):
    usage = {"input_tokens": said, "output_tokens": said, "total_tokens": said}
    assert read(usage=usage).usage == Usage(count, count, count)


# ---- the steps -------------------------------------------------------------------

STEPS = {
    "a thought in two parts": (
        {"type": "reasoning", "summary": [{"text": "Hm."}, {"text": "Ah."}]},
        Step("reasoning", text="Hm.\n\nAh."),
    ),
    "several queries": (
        {"type": "web_search_call", "action": {"queries": ["tides", "moon"]}},
        Step("web_search", "tides, moon"),
    ),
    "a page that was opened": (
        {"type": "web_search_call", "action": {"url": "https://a.example/"}},
        Step("web_search", "https://a.example/"),
    ),
    "a search in a page": (
        {"type": "web_search_call", "action": {"pattern": "tide", "url": ""}},
        Step("web_search", "tide"),
    ),
    "a search that failed": (
        {"type": "web_search_call", "action": {"query": "x"}, "status": "failed"},
        Step("web_search", "x", "failed"),
    ),
    "files": (
        {
            "type": "file_search_call",
            "queries": ["terms"],
            "results": [{"file_id": "f_1", "filename": "terms.pdf", "text": "..."}],
        },
        Step(
            "file_search",
            "terms",
            "",
            (Source("terms.pdf", file="f_1", snippet="..."),),
        ),
    ),
    "code and what it printed": (
        {
            "type": "code_interpreter_call",
            "code": "print(6 * 7)",
            "outputs": [{"type": "logs", "logs": "42\n"}, {"type": "image"}],
            "status": "completed",
        },
        Step("code", "", "print(6 * 7)\n\n42\n"),
    ),
    "a remote tool": (
        {
            "type": "mcp_call",
            "server_label": "crm",
            "name": "find",
            "arguments": '{"id": 7}',
            "output": "Bob",
        },
        Step("tool_call", "crm · find", '{"id": 7}\n\nBob'),
    ),
    "a kind we do not know": (
        {"type": "dream_call", "text": "..."},
        Step("other", "dream_call"),
    ),
    "no kind at all": ({"text": "..."}, Step("other")),
}


@pytest.mark.parametrize("what", STEPS)
def test_an_item_becomes_one_step(what):
    item, step = STEPS[what]
    assert read(item).steps == (step,)


def test_steps_keep_their_order_and_what_is_no_item_is_left_out():
    said = read(7, RESEARCH[1], None, RESEARCH[0], "x", RESEARCH[2], [RESEARCH[0]])
    kinds = [step.kind for step in said.steps]
    assert kinds == ["web_search", "reasoning", "message"]


def test_what_waits_for_an_answer_is_a_call():
    function = {"type": "function_call", "id": "fc_1", "call_id": "call_1"}
    approval = {"type": "mcp_approval_request", "id": "mcpr_1", "server_label": "crm"}
    asks = {"name": "refund", "arguments": '{"cents": 450}'}
    said = read(function | asks, approval | asks)

    assert said.calls == (
        Call("call_1", "function", "refund", '{"cents": 450}'),
        Call("mcpr_1", "mcp_approval", "crm · refund", '{"cents": 450}'),
    )
    assert [step.label for step in said.steps] == ["refund", "crm · refund"]


# ---- whatever it says ------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        *[b"", b" ", b"null", b"7", b'"resp_1"', b"[]", b'[{"id": "resp_1"}]', b"{}"],
        *[b'{"id": null}', b'{"id": 7}', b'{"id": ""}', b'{"id": ["resp_1"]}'],
        *[b'{"id": "resp_1"', b'{"id": "resp_1"} and more', b"{'id': 'resp_1'}"],
        *[b"<html><body>502 Bad Gateway</body></html>", b"\xff\xfe\x00", b"\x1f\x8b"],
        *[b'{"error": {"message": "Sorry."}}', b"[" * 100_000, b'{"id":' * 100_000],
        b'{"id": "%s"}' % (b"r" * 201),
    ],
    ids=lambda body: repr(body[:24]),
)
def test_what_is_no_response_is_refused(body):
    with pytest.raises(NotAResponse):
        read_response(body)


def test_what_no_database_takes_is_replaced_and_nothing_moves():
    said = read_response(
        rb'{"id": "resp_1", "status": "completed", "metadata": {"a\u0000b": "c\u0000"},'
        rb' "output": [{"type": "message", "content": [{"type": "output_text",'
        rb' "text": "a\u0000b\ud800c\udc00\ud83d\ude00d\ud800",'
        rb' "annotations": [{"start_index": 7, "end_index": 8, "title": "\u0000"}]}]}]}'
    )
    assert said.text == "a\ufffdb\ufffdc\ufffd\U0001f600d\ufffd"
    (cited,) = said.citations
    assert said.text[cited.start : cited.end] == "d"
    assert cited.source.title == "\ufffd"
    assert said.metadata == {"a\ufffdb": "c\ufffd"}


def test_bytes_that_are_no_text_are_replaced_in_the_body_that_is_kept():
    body = '{"id": "resp_1", "status": "é"}'.encode("utf-16")
    assert_storable(read_response(body))
    assert read_response(body).said == "é"


def paths_in(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where there is a value, at any depth."""
    if path:
        yield path
    if isinstance(value, (dict, list)):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from paths_in(value[key], (*path, key))


def with_value(whole: dict[str, Any], path: tuple[Any, ...], value: Any) -> bytes:
    whole = copy.deepcopy(whole)
    place: Any = whole
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return json.dumps(whole).encode()


EVERYTHING = json.loads(
    body_of(*RESEARCH, *(item for item, _ in STEPS.values()), **WHOLE)
) | {
    "error": {"code": "server_error", "message": "Sorry."},
    "incomplete_details": {"reason": "content_filter"},
    "moderation": {"input": {"flagged": False}, "output": {"flagged": False}},
}
OTHERS = [None, True, -7, 1.5, 2**70, "", "x" * 1_000, [], [[]], [7], {}, {"x": {}}]


@pytest.mark.parametrize(
    "path", [*paths_in(EVERYTHING)], ids=lambda p: ".".join(map(str, p))
)
def test_a_field_of_another_type_does_no_harm(path):
    for value in OTHERS:
        body = with_value(EVERYTHING, path, value)
        try:
            assert_storable(read_response(body))
        except NotAResponse:
            assert path == ("id",)


def assert_storable(said: Snapshot) -> None:
    """Both databases take it as it is."""
    for text in texts_in(asdict(said)):
        assert "\0" not in text
        text.encode()  # fails for half a surrogate pair
    assert len(said.response_id) <= longest(Attempt, "response_id")
    assert len(said.said) <= longest(Attempt, "provider_status")
    assert all(step.kind in EvidenceTrace.Kind.values for step in said.steps)
    assert all(len(s.label) <= longest(EvidenceTrace, "label") for s in said.steps)
    for count in asdict(said.usage).values():
        assert count is None or 0 <= count < 2**63
    for cited in said.citations:
        assert 0 <= cited.start <= cited.end <= len(said.text)


def texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from texts_in([*value.keys(), *value.values()])
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from texts_in(one)


def longest(model: Any, name: str) -> int:
    return model._meta.get_field(name).max_length


WORDS = sorted(
    {key for path in paths_in(EVERYTHING) for key in path if isinstance(key, str)}
    | {item["type"] for item, _ in STEPS.values() if "type" in item}
    | {"message", "output_text", "refusal", "function_call", "commentary", "phase"}
)
EVIL = [
    "\0",
    "a\0b",
    "\ud800",
    "x\udc00\ud800y",
    "\ufeff\u202e",
    "\U0001f6a2",
    "x" * 999,
]
TEXTS = st.sampled_from(EVIL) | st.text(
    st.characters(exclude_categories=()), max_size=8
)
KEYS = st.sampled_from(WORDS) | TEXTS
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | KEYS
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3)
    ),
    max_leaves=5,
)
PARTS = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["output_text", "refusal"]),
        "text": TEXTS,
        "refusal": TEXTS,
        "annotations": st.lists(
            st.fixed_dictionaries(
                {"start_index": LEAVES, "end_index": LEAVES, "title": LEAVES}
            ),
            max_size=2,
        )
        | VALUES,
    }
)
ITEMS = st.fixed_dictionaries(
    {"type": KEYS, "content": st.lists(PARTS | VALUES, max_size=2)},
    optional=dict.fromkeys(
        [
            *["action", "arguments", "call_id", "code", "name", "outputs", "phase"],
            *["queries", "results", "server_label", "status", "summary"],
        ],
        VALUES,
    ),
)
BODIES = st.fixed_dictionaries(
    {
        "id": st.just("resp_1") | TEXTS.filter(len),
        "output": st.lists(ITEMS | VALUES, min_size=1, max_size=3),
        "metadata": st.dictionaries(KEYS, KEYS) | VALUES,
    },
    optional=dict.fromkeys(["status", "usage", "error", "moderation"], VALUES),
)


@given(BODIES)
def test_any_json_object_with_an_id_is_read_into_something_that_can_be_stored(said):
    try:
        assert_storable(read_response(json.dumps(said).encode()))
    except NotAResponse:
        assert len(said["id"]) > longest(Attempt, "response_id")


JUNK = st.binary(max_size=40)


@given(JUNK | JUNK.map(lambda junk: body_of(*RESEARCH).replace(b"tide", junk)))
def test_any_bytes_are_a_response_or_none(body):
    with suppress(NotAResponse):
        assert_storable(read_response(body))


def test_of_very_many_steps_and_citations_the_first_are_kept():
    note = {"type": "url_citation", "start_index": 0, "end_index": 1, "url": "u"}
    part = {"type": "output_text", "text": "Hi", "annotations": [note] * 5_000}
    message = {"type": "message", "content": [part]}
    body = {"id": "resp_1", "status": "completed", "output": [{}] * 300_000 + [message]}
    snapshot = read_response(json.dumps(body).encode())
    assert len(snapshot.steps) == 1_001
    assert snapshot.steps[-1].label == "299001 further steps: see the raw response"
    assert len(snapshot.citations) == 1_000
