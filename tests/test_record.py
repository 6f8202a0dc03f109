"""Recording a job's traffic without what was said, and playing it again."""

import json
import uuid
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from hypothesis import example, given
from hypothesis import strategies as some

from jobs.management.commands import sandbox as sandbox_command
from jobs.models import Job
from jobs.policy.failures import CODES
from jobs.provider.redacting import Redactor, filler, redact
from jobs.sandbox.app import make_app
from jobs.sandbox.recordings import NoRecording, read_recording
from jobs.sandbox.serving import serve
from jobs.services.record import NothingRecorded, record_job
from tests.house import bring_to, courier_to, job_type, submit
from tests.sweeping import error, response, scripted  # noqa: F401

SECRETS = ["Zanzibar", "4711", "hunter2", "whale@sea.example", "Quux"]
S = " ".join(SECRETS)
FUNCTION = {
    "type": "function",
    "name": "find_order",
    "parameters": {
        "type": "object",
        "properties": {"number": {"type": "string"}},
        "required": ["number"],
        "additionalProperties": False,
    },
    "strict": True,
}
ITEMS = [
    {"type": "reasoning", "summary": [{"type": "summary_text", "text": f"**{S}** {S}"}],
     "encrypted_content": S, "id": f"rs_{S}", "status": S},
    {"type": "web_search_call", "status": "completed", "id": S,
     "action": {"type": S, "query": S, "queries": [S, S], "url": f"https://{S}/",
                "sources": [{"type": "url", "url": f"https://{S}", "title": S, S: S}]},
     "results": [{"url": f"https://{S}", "text": S, "snippet": S}]},
    {"type": "file_search_call", "queries": [S], "status": "completed",
     "results": [{"file_id": S, "filename": f"{S}.pdf", "text": S,
                  "attributes": {S: S}, "score": 0.4711}]},
    {"type": "code_interpreter_call", "code": f"print('{S}')", "container_id": S,
     "outputs": [{"type": "logs", "logs": S}, {"type": "image", "url": S}]},
    {"type": "function_call", "call_id": S, "name": S, "status": "completed",
     "arguments": json.dumps({"number": S, S: [S, {S: 4711, "x": 4711.5}], "b": True})},
    {"type": "function_call", "name": "find_order", "arguments": '{"number": "Zanz'},
    {"type": "mcp_approval_request", "server_label": S, "name": S, "arguments": S},
    {"type": "mcp_call", "server_label": S, "name": S, "output": S, "error": S,
     "approval_request_id": S, "arguments": "{}"},
    {"type": S, "status": S, "beams": [S]},
    {"type": "message", "role": S, "phase": S, "status": "completed", "id": S,
     "content": [
         {"type": "output_text", "text": f"Dear {S}, ([x](https://{S}/)) — {S}.",
          "logprobs": [{"token": S}],
          "annotations": [{"type": "url_citation", "start_index": 5, "end_index": 12,
                           "url": f"https://{S}/", "title": S, "file_id": S, S: S}]},
         {"type": "refusal", "refusal": S},
         {"type": S, S: S}, S, None, 4711]},
    S, None, 4711, {"type": None}, {"type": {S: S}},
    {"type": "message", "content": None},
]  # fmt: skip
PLANTED = {
    **dict.fromkeys(("id", "model", "instructions", "user", "prompt_cache_key"), S),
    "status": S,
    "metadata": {S: S},
    "tools": [{"type": "function", "name": S, "description": S}],
    "text": {"format": {"type": "json_schema", "schema": {"title": S}}},
    "error": {"code": S, "message": S, S: S},
    "incomplete_details": {"reason": S, S: S},
    "moderation": {"input": {"flagged": True, "model": S}, "output": S},
    "created_at": 100,
    "completed_at": 104,
    S: S,
    "output": ITEMS,
}


def tells(text: str) -> list[str]:
    return [secret for secret in SECRETS if secret.lower() in text.lower()]


def redacted(body: object, **how) -> dict:
    return redact(json.dumps(body), Redactor(codes=CODES, **how))


# ---- redaction -----------------------------------------------------------------------


def test_nothing_that_was_said_is_left():
    found = redacted(PLANTED, names=["find_order", "number"])
    assert tells(json.dumps(found, ensure_ascii=False)) == []
    assert [item["type"] for item in found["output"]] == [
        "reasoning",
        "web_search_call",
        "file_search_call",
        "code_interpreter_call",
        "function_call",
        "function_call",
        "mcp_approval_request",
        "mcp_call",
        "unheard_of",
        "message",
        "unheard_of",
        "unheard_of",
        "message",
    ]


def test_the_form_is_left():
    said = PLANTED["output"][9]["content"][0]["text"]
    found = redacted(PLANTED, names=["find_order", "number"])
    message = found["output"][9]["content"][0]
    assert len(message["text"]) == len(said)
    assert message["annotations"][0]["start_index"] == 5
    assert message["annotations"][0]["end_index"] == 12
    search = found["output"][1]
    cited, read = message["annotations"][0]["url"], search["results"][0]["url"]
    assert read == search["action"]["sources"][0]["url"] != cited  # without a slash
    call = json.loads(found["output"][4]["arguments"])
    assert [type(value) for value in call.values()] == [str, list, bool]
    assert next(iter(call)) == "number"
    assert found["output"][5]["name"] == "find_order"
    assert (found["flagged"], found["seconds"]) == ("input", 4)
    assert found["error"]["code"] == found["status"] == "unheard_of"


def test_known_words_are_left():
    said = {
        "status": "failed",
        "error": {"code": "server_error", "message": "It broke."},
        "incomplete_details": None,
    }
    found = redacted(said)
    assert (found["status"], found["error"]["code"]) == ("failed", "server_error")
    assert "incomplete_details" not in found


def test_text_is_kept_where_that_is_asked_for_and_nothing_else():
    found = json.dumps(redacted(PLANTED, keep_text=True), ensure_ascii=False)
    assert f"Dear {S}" in found
    assert "call_id" not in found
    assert "encrypted" not in found
    assert "instructions" not in found


def test_filler_has_the_shape_of_a_text():
    text = "# Ärger\n\n- Is it **so**, on 3 May 2024?\t[1](a) \u200b\U000e0041"
    made = filler(text)
    assert made[:2] == "# "
    assert made[2].isupper()
    assert "\n\n- " in made
    assert "**" in made
    assert "0000?" in made
    assert len(made) == len(text)
    assert made.endswith(" ??")
    assert filler("Ann") == filler("Bob")


FIELDS = {"type", "text", "content", "action", "output", "status", "arguments", "name"}
FIELDS |= {"summary", "annotations", "queries", "code", "reason", "moderation", S}
JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.just(S),
    lambda inner: (
        some.lists(inner, max_size=3)
        | some.dictionaries(some.sampled_from(sorted(FIELDS)), inner, max_size=4)
    ),
    max_leaves=20,
)
KINDS = ["message", "function_call", "web_search_call", "reasoning"]


@given(JSON, some.sampled_from(KINDS))
@example({"name": {}, "content": [{"type": []}]}, "function_call")
@example({"code": {}}, "message")
def test_whatever_a_body_holds_its_secrets_stay(value, kind):
    holds = value if isinstance(value, dict) else {"text": value}
    item = {**holds, "type": kind}
    body = {"output": [item, holds], "error": value, "incomplete_details": value}
    found = redacted({**holds, **body}, names=frozenset(["find_order"]))
    assert tells(json.dumps(found, ensure_ascii=False)) == []
    read_recording("x", json.dumps({"recording": 1, "runs": [found]}))


# ---- recording and playing again -----------------------------------------------------


def play_again(recording: dict, job: Job, status: str) -> Job:
    """The same type and requester, at a sandbox that knows the recording."""
    known = {"played": read_recording("played", json.dumps(recording))}
    with (
        serve(make_app(scale=0.0001, recordings=known)) as served,
        courier_to(served) as courier,
    ):
        again = submit(
            job.requester, "Again. [sandbox:played]", job.version.job_type.name
        )
        return bring_to(status, again, courier)


def runs(job: Job) -> list[tuple[str, str, str]]:
    fields = "reason", "provider_status", "failure_class"
    return list(job.attempts.order_by("number").values_list(*fields))


def test_a_job_that_failed_first_does_so_again(note, shop, courier):
    job = bring_to("awaiting_review", submit(shop, f"{S} [sandbox:flaky]"), courier)
    recording = record_job(job)
    assert recording["says"] == "failed (server_error), completed"
    assert tells(json.dumps(recording)) == []
    again = play_again(recording, job, "awaiting_review")
    assert runs(again) == runs(job)
    assert len(again.latest_result.content) == len(job.latest_result.content)
    assert again.latest_result.content == filler(job.latest_result.content)


def test_evidence_and_citations_are_played_again(note, shop, courier):
    sources = [{"url": "https://a.example", "title": "A", "text": f"{S} is so. " * 9}]
    text = f"Question: Is {S} so?\n\n{json.dumps(sources)} [sandbox:cited]"
    job = bring_to("awaiting_review", submit(shop, text), courier)
    again = play_again(record_job(job), job, "awaiting_review")
    for one, other in zip(
        job.latest_result.citations.all(),
        again.latest_result.citations.all(),
        strict=True,
    ):
        assert (one.start, one.end) == (other.start, other.end)
        assert other.url == "https://source-1.example/"
    kinds = [
        list(j.attempts.get().traces.values_list("kind", flat=True))
        for j in (job, again)
    ]
    assert kinds[0] == kinds[1]
    assert "web_search" in kinds[0]


def test_an_answer_in_json_obeys_its_schema_again(shop, courier):
    wanted = {
        "type": "object",
        "properties": {"order": {"type": "string"}, "amount": {"type": "number"}},
        "required": ["order", "amount"],
        "additionalProperties": False,
    }
    job_type("refund", output_schema=wanted)
    text = 'Order: "Zanzibar-4711", amount: 12.50'
    job = bring_to("awaiting_review", submit(shop, text, "refund"), courier)
    recording = record_job(job)
    assert tells(json.dumps(recording)) == []
    again = play_again(recording, job, "awaiting_review")
    assert (again.latest_result.flags, set(again.latest_result.content)) == (
        [],
        {"order", "amount"},
    )


def test_calls_of_the_model_are_asked_again_and_the_recording_goes_on(shop, courier):
    job_type("ask", tools=[FUNCTION])
    text = f"{S} [sandbox:function-call]"
    job = bring_to("requires_action", submit(shop, text, "ask"), courier)
    recording = record_job(job)
    again = play_again(recording, job, "requires_action")
    (call,) = again.attempts.get().tool_calls.all()
    assert (call.name, set(json.loads(call.arguments))) == ("find_order", {"number"})
    assert tells(call.arguments) == []


def test_a_refused_create_is_refused_again_with_other_words(note, shop, courier):
    job = bring_to("failed", submit(shop, "[sandbox:bad-input]"), courier)
    recording = record_job(job)
    assert recording["says"] == "refused (400)"
    again = play_again(recording, job, "failed")
    assert (again.failure_class, again.failure_code) == (
        "malformed_input",
        "invalid_prompt",
    )
    assert again.failure_message != job.failure_message


def test_after_a_refused_create_comes_the_next_run(note, shop, scripted):  # noqa: F811
    text = {"type": "output_text", "text": f"Dear {S}.", "annotations": []}
    said = {"type": "message", "role": "assistant", "content": [text]}
    courier = scripted(
        error(429, "rate_limit_exceeded"), response("completed", output=[said])
    )
    job = bring_to("awaiting_review", submit(shop), courier)
    recording = record_job(job)
    assert recording["says"] == "refused (429), completed"
    again = play_again(recording, job, "awaiting_review")
    assert [row[2] for row in runs(again)] == ["transient", ""]


def test_what_left_no_traffic_is_not_recorded(note, shop):
    job = submit(shop)
    with pytest.raises(NothingRecorded, match="No run of"):
        record_job(job)


def test_what_was_deleted_is_not_recorded(note, shop):
    job = submit(shop)
    job.erased_at = job.created_at
    with pytest.raises(NothingRecorded, match="was deleted"):
        record_job(job)


# ---- the commands --------------------------------------------------------------------


def test_the_command_prints_what_the_sandbox_takes(note, shop, courier, tmp_path):
    job = bring_to("awaiting_review", submit(shop, S), courier)
    out = StringIO()
    call_command("record", str(job.public_id), stdout=out)
    path = tmp_path / "strange-day.json"
    path.write_text(out.getvalue())
    name, scenario = sandbox_command.read_scenario(path)
    assert (name, scenario.says) == ("strange-day", "completed")
    with pytest.raises(CommandError, match="There is no job"):
        call_command("record", str(uuid.uuid4()))
    with pytest.raises(CommandError, match="No run of"):
        call_command("record", str(submit(shop).public_id))


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("draft", "{}", "none that the sandbox has"),
        ("Über", "{}", "cannot be called"),
        ("a b", "{}", "cannot be called"),
        ("x", "{", "not JSON"),
        ("x", "[]", r"\$: \[\] is not of type 'object'"),
        ("x", '{"recording": 2, "runs": []}', r"\$\."),
        ("x", '{"recording": 1, "runs": []}', r"\$\.runs"),
        ("x", '{"recording": 1, "runs": [{}]}', r"\$\.runs\[0\]"),
        ("x", '{"recording": 1, "runs": [{"status": "x", "output": [1]}]}', "output"),
    ],
)
def test_a_file_that_is_no_recording_is_told_so(name, text, why):
    with pytest.raises(NoRecording, match=why):
        read_recording(name, text)


def test_a_recording_that_is_not_there_ends_the_command_with_words(tmp_path):
    with pytest.raises(CommandError, match=r"--recording .*nothing\.json"):
        sandbox_command.read_scenario(tmp_path / "nothing.json")
