"""Submitting: what becomes a job; what is refused, by field, and leaves no row."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from pytest_httpserver import HTTPServer
from rest_framework.test import APIClient

from jobs.kit.strict_json import DEEPEST
from jobs.models import Attempt, Job, JobEvent, JobType, JobTypeVersion
from jobs.services import submit as service
from jobs.services.invalid import MOST_ERRORS
from jobs.services.submit import LONGEST_DEADLINE, InvalidInput, submit_job
from tests.house import api, job_type, person, problem

JOBS = "/api/v1/jobs/"
NUL, HALF = "a\0b", "a\ud83d"  # what no database stores: NUL, half an emoji

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "question": {"type": "string", "minLength": 2, "maxLength": 20},
        "code": {"type": "string", "minLength": 1, "pattern": "^[A-Z]+$"},
        "day": {"type": "string", "format": "date"},
        "amount": {"type": "number", "minimum": 0, "maximum": 99, "multipleOf": 0.01},
        "tone": {"enum": ["warm", "plain"]},
        "sources": {
            "type": "array",
            "minItems": 1,
            "maxItems": 3,
            "items": {
                "type": "object",
                "properties": {"url": {"type": "string"}},
                "required": ["url"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["question", "sources"],
    "additionalProperties": False,
}
INPUT = {"question": "Who?", "sources": [{"url": "https://a.example/"}]}
GOOD: dict[str, Any] = {"type": "brief", "input": INPUT}


@pytest.fixture
def brief(db: None) -> JobType:
    return job_type("brief", input_schema=SCHEMA)


@pytest.fixture
def anything(db: None) -> JobType:
    """A type that takes every input."""
    return job_type("anything", input_schema={})


@pytest.fixture
def program(shop: User, brief: JobType) -> APIClient:
    return api(shop)


def post(program: APIClient, body: Any, kind: str = "application/json") -> Any:
    """Send text and bytes as they are, anything else as JSON in ASCII."""
    sent = body if isinstance(body, str | bytes) else json.dumps(body)
    return program.generic("POST", JOBS, sent, content_type=kind)


def refused(answer: Any, status: int = 400) -> dict[str, Any]:
    """The problem it is; and nothing was stored."""
    said = problem(answer, status)
    assert not Job.objects.exists()
    assert not JobEvent.objects.exists()
    return said


# ---- what is accepted -----------------------------------------------------------


def test_a_job_is_accepted_without_asking_the_provider(
    program: APIClient, httpserver: HTTPServer, settings: Any
) -> None:
    settings.OPENAI_BASE_URL = httpserver.url_for("/v1")

    answer = program.post(JOBS, GOOD)

    assert answer.status_code == 201
    assert answer.json()["status"] == "queued"
    assert httpserver.log == []
    assert not Attempt.objects.exists()


def test_what_was_sent_comes_back_with_an_id_and_links(program: APIClient) -> None:
    more = {"title": "Tea", "metadata": {"order": "A-1"}, "deadline_seconds": 60}

    said = program.post(JOBS, GOOD | more).json()

    job = Job.objects.get()
    assert said["id"] == str(job.public_id)
    assert (said["type"], said["type_version"]) == ("brief", 1)
    assert (said["requester"], said["revision"]) == ("shop", 0)
    for name in more:
        assert said[name] == more[name]
    assert said["input"] == INPUT
    own = f"http://testserver{JOBS}{job.public_id}/"
    assert said["links"]["self"] == own
    parts = {"result", "evidence", "attempts", "events", "cancel", "retry", "check"}
    parts.add("tool-outputs")
    assert said["links"] == {"self": own} | {part: f"{own}{part}/" for part in parts}
    assert program.get(own).json() == said


def test_the_sweep_finds_it_at_once(program: APIClient) -> None:
    program.post(JOBS, GOOD)

    job = Job.objects.get()
    assert job.wake_at == job.created_at
    assert list(Job.objects.due(job.created_at)) == [job]


def test_its_history_begins_with_who_asked(program: APIClient) -> None:
    program.post(JOBS, GOOD)

    (event,) = Job.objects.get().events.all()
    assert (event.seq, event.kind, event.actor) == (1, "status", "shop")
    assert (event.was, event.became) == ("", "queued")


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ({}, 86_400),
        ({"deadline_seconds": 1}, 1),
        ({"deadline_seconds": LONGEST_DEADLINE}, LONGEST_DEADLINE),
    ],
    ids=["the types own", "shortest", "longest"],
)
def test_its_deadline_is_the_types_unless_it_names_one(
    program: APIClient, asked: dict[str, int], seconds: int
) -> None:
    assert program.post(JOBS, GOOD | asked).status_code == 201

    job = Job.objects.get()
    assert job.deadline_at - job.created_at == timedelta(seconds=seconds)


def test_a_job_keeps_the_version_it_was_submitted_under(
    program: APIClient, brief: JobType
) -> None:
    first = program.post(JOBS, GOOD).json()
    JobTypeVersion(
        job_type=brief, model="m", prompt_template="$question", input_schema=SCHEMA
    ).save()

    second = program.post(JOBS, GOOD).json()

    assert second["type_version"] == 2
    assert program.get(first["links"]["self"]).json()["type_version"] == 1


ODD_BUT_GOOD = {
    "every plane and direction": {"title": "\U0001f6a2 \u202e\u2028\uffff \r\n <b>'\""},
    "a title as long as may be": {"title": "\U0001f6a2" * 200},
    "sixteen pairs": {"metadata": {f"{n:064}": "x" * 512 for n in range(16)}},
    "an empty value": {"metadata": {"note": ""}},
    "an empty title": {"title": ""},
}


@pytest.mark.both_databases
@pytest.mark.parametrize("more", ODD_BUT_GOOD.values(), ids=ODD_BUT_GOOD)
def test_odd_but_good_text_comes_back_as_it_was_sent(
    program: APIClient, more: dict[str, Any]
) -> None:
    made = program.post(JOBS, GOOD | more)

    assert made.status_code == 201, made.content
    shown = program.get(made.json()["links"]["self"]).json()
    assert {name: shown[name] for name in more} == more


def test_what_surrounds_a_prompt_belongs_to_it(program: APIClient) -> None:
    job_type("freeform", input_schema={})

    said = program.post(JOBS, {"prompt": "\n  Say hello.  "}).json()

    assert said["type"] == "freeform"
    assert said["input"] == {"prompt": "\n  Say hello.  "}


def test_the_request_is_read_as_utf8_whatever_charset_it_claims(
    program: APIClient,
) -> None:
    body = json.dumps(GOOD | {"title": "Tée"}, ensure_ascii=False).encode()

    answer = post(program, body, "application/json; charset=latin-1")

    assert answer.json()["title"] == "Tée"


# ---- what is refused, by field --------------------------------------------------

SOURCE = {"url": "https://a.example/"}
BAD_INPUTS: dict[str, tuple[Any, set[str]]] = {
    "not an object": ("Who?", {"input"}),
    "a list": ([INPUT], {"input"}),
    "null": (None, {"input"}),
    "nothing in it": ({}, {"input.question", "input.sources"}),
    "a missing field": ({"sources": [SOURCE]}, {"input.question"}),
    "another type": (INPUT | {"question": 7}, {"input.question"}),
    "null for text": (INPUT | {"question": None}, {"input.question"}),
    "empty": (INPUT | {"code": ""}, {"input.code"}),
    "too short": (INPUT | {"question": "?"}, {"input.question"}),
    "too long": (INPUT | {"question": "?" * 21}, {"input.question"}),
    "off its pattern": (INPUT | {"code": "abc"}, {"input.code"}),
    "no date": (INPUT | {"day": "2026-02-30"}, {"input.day"}),
    "too little": (INPUT | {"amount": -1}, {"input.amount"}),
    "too much": (INPUT | {"amount": 100}, {"input.amount"}),
    "too fine": (INPUT | {"amount": 0.001}, {"input.amount"}),
    "too large for a number": (INPUT | {"amount": 10**400}, {"input.amount"}),
    "no number": (INPUT | {"amount": float("nan")}, {"input"}),
    "a number beyond all": (INPUT | {"amount": float("-inf")}, {"input"}),
    "not a choice": (INPUT | {"tone": "cold"}, {"input.tone"}),
    "too few": (INPUT | {"sources": []}, {"input.sources"}),
    "too many": (INPUT | {"sources": [SOURCE] * 4}, {"input.sources"}),
    "unknown fields": (INPUT | {"a": 1, "b": 2}, {"input.a", "input.b"}),
    "in an entry of a list": (
        INPUT | {"sources": [{}, SOURCE, {"url": 3, "x": 1}]},
        {"input.sources.0.url", "input.sources.2.url", "input.sources.2.x"},
    ),
    "several at once": (
        {"question": "?", "tone": 1, "sources": [{}]},
        {"input.question", "input.tone", "input.sources.0.url"},
    ),
    "NUL": (INPUT | {"question": NUL}, {"input.question"}),
    "half a pair": (INPUT | {"question": HALF}, {"input.question"}),
    "NUL further in": (INPUT | {"sources": [{"url": NUL}]}, {"input.sources.0.url"}),
    "NUL in a name": (INPUT | {NUL: 1}, {"input"}),
    "half a pair in a name": (INPUT | {"sources": [{HALF: 1}]}, {"input.sources.0"}),
}


@pytest.mark.parametrize(("given", "fields"), BAD_INPUTS.values(), ids=list(BAD_INPUTS))
def test_bad_input_is_named_by_field(
    program: APIClient, given: Any, fields: set[str]
) -> None:
    said = refused(post(program, GOOD | {"input": given}))

    assert said["errors"].keys() == fields
    assert all(messages and all(messages) for messages in said["errors"].values())


PAIRS = {str(n): "x" for n in range(17)}
BAD_FIELDS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "an unknown type": ({"type": "brieff"}, {"type"}),
    "an inactive type": ({"type": "retired"}, {"type"}),
    "a type without a version": ({"type": "unfinished"}, {"type"}),
    "an empty type": ({"type": ""}, {"type"}),
    "no type but null": ({"type": None}, {"type"}),
    "a list of types": ({"type": ["brief"]}, {"type"}),
    "a number for a type": ({"type": 7}, {"type"}),
    "a type too long": ({"type": "x" * 51}, {"type"}),
    "NUL in the type": ({"type": NUL}, {"type"}),
    "half a pair in the type": ({"type": HALF}, {"type"}),
    "fields we do not know": ({"titel": "x", "colour": 1}, {"titel", "colour"}),
    "NUL in the name of one": ({NUL: 1}, {NUL}),
    "half a pair in the name of one": ({HALF: 1}, {HALF}),
    "a prompt beside them": ({"prompt": "Hello"}, {"prompt"}),
    "a title too long": ({"title": "x" * 201}, {"title"}),
    "a number for a title": ({"title": 7}, {"title"}),
    "null for a title": ({"title": None}, {"title"}),
    "NUL in the title": ({"title": NUL}, {"title"}),
    "half a pair in the title": ({"title": HALF}, {"title"}),
    "seventeen pairs": ({"metadata": PAIRS}, {"metadata"}),
    "a name too long": ({"metadata": {"x" * 65: "x"}}, {"metadata"}),
    "a value too long": ({"metadata": {"a": "x" * 513}}, {"metadata.a"}),
    "a number for a value": ({"metadata": {"a": 7}}, {"metadata.a"}),
    "null for a value": ({"metadata": {"a": None}}, {"metadata.a"}),
    "pairs within pairs": ({"metadata": {"a": {"b": "c"}}}, {"metadata.a"}),
    "a list for metadata": ({"metadata": []}, {"metadata"}),
    "null for metadata": ({"metadata": None}, {"metadata"}),
    "NUL in a value": ({"metadata": {"a": NUL}}, {"metadata.a"}),
    "half a pair in a value": ({"metadata": {"a": HALF}}, {"metadata.a"}),
    "NUL in the name of a pair": ({"metadata": {NUL: "x"}}, {"metadata"}),
    "half a pair in a pairs name": ({"metadata": {HALF: "x"}}, {"metadata"}),
    **{
        f"a deadline of {json.dumps(value)[:9]}": (
            {"deadline_seconds": value},
            {"deadline_seconds"},
        )
        for value in (
            *(0, -1, 2_592_001, 10**4000, 60.0, 1.5, float("nan"), float("inf")),
            *("60", "", True, None, []),
        )
    },
}


@pytest.mark.parametrize(
    ("change", "fields"), BAD_FIELDS.values(), ids=list(BAD_FIELDS)
)
def test_a_bad_field_is_named(
    program: APIClient, change: dict[str, Any], fields: set[str]
) -> None:
    JobType.objects.create(name="unfinished", title="Unfinished")
    retired = job_type("retired", input_schema=SCHEMA)
    JobType.objects.filter(pk=retired.pk).update(is_active=False)

    said = refused(post(program, GOOD | change))

    assert said["errors"].keys() == fields
    assert all(messages and all(messages) for messages in said["errors"].values())


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"type", "input"}),
        ({"title": "x"}, {"type", "input"}),
        ({"type": "brief"}, {"input"}),
        ({"input": INPUT}, {"type"}),
        ({"prompt": "x", "type": "brief"}, {"prompt"}),
        ({"prompt": "x", "input": INPUT}, {"prompt"}),
        ({"prompt": ""}, {"prompt"}),
        ({"prompt": None}, {"prompt"}),
        ({"prompt": 7}, {"prompt"}),
        ({"prompt": ["x"]}, {"prompt"}),
        ({"prompt": NUL}, {"prompt"}),
        ({"prompt": HALF}, {"prompt"}),
        ({"prompt": "too long for it"}, {"prompt"}),
        ({"prompt": "x", "titel": "x"}, {"titel"}),
    ],
)
def test_what_is_missing_or_too_much_is_named(
    program: APIClient, body: dict[str, Any], fields: set[str]
) -> None:
    prompt = {"type": "object", "properties": {"prompt": {"maxLength": 5}}}
    job_type("freeform", input_schema=prompt)

    said = refused(post(program, body))

    assert said["errors"].keys() == fields


def test_a_prompt_without_the_type_freeform_says_so(program: APIClient) -> None:
    said = refused(program.post(JOBS, {"prompt": "Hello"}))

    (message,) = said["errors"]["prompt"]
    assert "freeform" in message


def test_an_unknown_type_is_answered_with_the_known_ones(program: APIClient) -> None:
    said = refused(program.post(JOBS, GOOD | {"type": "letter"}))

    assert said["errors"] == {"type": ["There is no job type 'letter'. Known: brief."]}


def test_an_error_never_repeats_the_value(program: APIClient) -> None:
    secret = "hunter2" * 5

    answer = program.post(JOBS, GOOD | {"input": INPUT | {"question": secret}})

    refused(answer)
    assert "hunter2" not in answer.content.decode()


def test_a_flood_of_errors_is_cut_short(program: APIClient) -> None:
    names = {f"{n}, {'no' * 500}": 1 for n in range(1_000)}

    answer = program.post(JOBS, GOOD | {"input": INPUT | names})

    assert len(refused(answer)["errors"]) == MOST_ERRORS
    assert len(answer.content) < 10_000


# ---- what is no request at all --------------------------------------------------

BRIEF = '{"type": "brief", "input": {"question": "Who?", "sources": [{"url": "x"}]}'
NO_REQUESTS: dict[str, str | bytes] = {
    "nothing": "",
    "a list": json.dumps([GOOD]),
    "an empty list": "[]",
    "text": '"brief"',
    "a number": "7",
    "null": "null",
    "half of it": BRIEF,
    "more after it": BRIEF + "} x",
    "one quote": "{'type': 'brief'}",
    "an endless number": '{"type": "anything", "input": {"a": %s}}' % ("9" * 5_000),
    "a name twice": BRIEF + ', "type": "anything"}',
    "a name twice, further in": '{"type": "anything", "input": {"a": 1, "a": 2}}',
    "bytes that are no UTF-8": BRIEF.encode() + b', "title": "\xff"}',
    "UTF-16": (BRIEF + "}").encode("utf-16"),
}


def test_a_number_that_only_overflows_when_read_is_refused(
    program: APIClient, anything: JobType
) -> None:
    said = refused(post(program, '{"type": "anything", "input": {"a": 1e999}}'))

    assert said["errors"].keys() == {"input"}


@pytest.mark.parametrize("body", NO_REQUESTS.values(), ids=list(NO_REQUESTS))
def test_what_is_no_request_is_a_problem(
    program: APIClient, anything: JobType, body: str | bytes
) -> None:
    refused(post(program, body))


@pytest.mark.parametrize(
    "levels", [DEEPEST + 1, 100, 300, 600, 900, 970, 1_000, 10_000, 100_000]
)
@pytest.mark.parametrize("shape", ["[]", "{}"])
def test_what_is_nested_too_deeply_is_a_problem(
    program: APIClient, anything: JobType, shape: str, levels: int
) -> None:
    opening, closing = {"[]": ("[", "]"), "{}": ('{"a":', "}")}[shape]
    inner = opening * (levels - 1) + "[]" + closing * (levels - 1)

    refused(post(program, f'{{"type": "anything", "input": {inner}}}'))


def test_what_is_nested_less_deeply_is_taken_even_by_a_schema_of_itself(
    program: APIClient,
) -> None:
    tree = {"additionalProperties": {"$ref": "#"}}
    job_type("tree", input_schema=tree)
    inner = '{"a":' * (DEEPEST - 1) + "{}" + "}" * (DEEPEST - 1)

    made = post(program, f'{{"type": "tree", "input": {inner}}}')

    assert made.status_code == 201, made.content
    assert program.get(made.json()["links"]["self"]).json()["input"]["a"]["a"]


@pytest.mark.parametrize(
    "kind",
    [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/vnd.api+json",
    ],
)
def test_another_content_type_is_not_taken(program: APIClient, kind: str) -> None:
    refused(post(program, BRIEF + "}", kind), 415)


def test_a_body_over_the_limit_is_refused_and_one_below_is_not(
    program: APIClient, settings: Any
) -> None:
    body = json.dumps(GOOD).encode()
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = len(body) - 1
    said = refused(post(program, body), 413)
    assert f"{len(body) - 1}" in said["detail"]

    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = len(body)
    assert post(program, body).status_code == 201


# ---- the service, for whoever calls it without the API --------------------------

BAD_CALLS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "no such type": ({"type_name": "letter"}, {"type"}),
    "not a number": ({"given": {"a": float("nan")}}, {"input.a"}),
    "infinite": ({"given": {"a": [float("-inf")]}}, {"input.a.0"}),
    "a title too long": ({"title": "x" * 201}, {"title"}),
    "NUL in the title": ({"title": NUL}, {"title"}),
    "NUL in metadata": ({"metadata": {"a": NUL}}, {"metadata.a"}),
    "no time at all": ({"deadline_seconds": 0}, {"deadline_seconds"}),
    "a time gone by": ({"deadline_seconds": -60}, {"deadline_seconds"}),
    "more than a month": ({"deadline_seconds": 10**9}, {"deadline_seconds"}),
}


@pytest.mark.both_databases
@pytest.mark.parametrize(("change", "fields"), BAD_CALLS.values(), ids=list(BAD_CALLS))
def test_the_service_refuses_by_field_too(
    shop: User, anything: JobType, change: dict[str, Any], fields: set[str]
) -> None:
    with pytest.raises(InvalidInput) as refusal:
        submit_job(**{"by": shop, "type_name": "anything", "given": {}} | change)

    assert refusal.value.errors.keys() == fields
    assert all(field in str(refusal.value) for field in fields)
    assert not Job.objects.exists()


@pytest.mark.parametrize("group", ["Reviewers", "Auditors", "nobody's"])
def test_who_lacks_the_right_stores_nothing(anything: JobType, group: str) -> None:
    with pytest.raises(PermissionDenied, match=r"eve lacks the right jobs\.submit_job"):
        submit_job(by=person("eve", group), type_name="anything", given={})

    assert not Job.objects.exists()


def test_without_its_first_line_of_history_there_is_no_job(
    shop: User, anything: JobType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_off(*args: Any, **kwargs: Any) -> None:
        raise ConnectionError

    monkeypatch.setattr(service, "add_events", break_off)

    with pytest.raises(ConnectionError):
        submit_job(by=shop, type_name="anything", given={})

    assert not Job.objects.exists()
