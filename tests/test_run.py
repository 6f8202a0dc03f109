"""A job from submission to its review: what an answer is, and what is kept of it."""

import json
from hashlib import sha256

import jsonschema
import pytest

from jobs.models import Result
from reviews.models import Review
from tests.house import bring_to, job_type, submit, sweep_until
from tests.sweeping import (
    history,
    look,
    response,
    runs_of,
)


# ---- an answer, and what is kept of it -------------------------------------------
def test_a_submitted_job_comes_to_its_review(note, shop, courier):
    job = bring_to("awaiting_review", submit(shop), courier)

    moves = list(job.events.order_by("seq").values_list("was", "became"))
    assert moves == [
        ("", "queued"),
        ("queued", "running"),
        ("running", "completed"),
        ("completed", "awaiting_review"),
    ]
    assert Review.objects.get(job=job).result == job.latest_result


@pytest.mark.parametrize("flag", ["refusal", "partial"])
def test_a_flagged_answer_reaches_a_reviewer(note, shop, courier, flag):
    job = bring_to("awaiting_review", submit(shop, f"Hi. [sandbox:{flag}]"), courier)

    assert job.latest_result.flags == [{"refusal": "refused"}.get(flag, flag)]


@pytest.mark.parametrize(
    ("tag", "end"), [("draft", "completed"), ("refusal", "awaiting_review")]
)
def test_where_review_is_waived_only_flagged_answers_get_one(shop, courier, tag, end):
    job_type(waives_review=True)
    job = submit(shop, f"Hi. [sandbox:{tag}]")
    sweep_until(courier, lambda: Result.objects.filter(job=job).exists())

    assert history(job)[-1] == end


DOCUMENTS = [
    {
        "title": "Port report",
        "url": "https://port.example/report",
        "text": "Shore power cut the emissions of ferries \U0001f6a2 by 38 % in 2024.",
    },
    {
        "title": "Harbour Weekly",
        "url": "https://weekly.example/a",
        "text": "Emissions of ferries are measured since 2019. Shore power costs more.",
    },
]
RESEARCH = f"Question: How did shore power affect ferries?\n\n{json.dumps(DOCUMENTS)}"


def test_a_cited_answer_comes_with_its_evidence(shop, courier):
    job_type(tools=[{"type": "web_search"}])
    job = bring_to("awaiting_review", submit(shop, RESEARCH), courier)
    (attempt,), result = job.attempts.all(), job.latest_result

    traces = list(attempt.traces.all())
    assert [trace.position for trace in traces] == list(range(1, len(traces) + 1))
    assert [trace.kind for trace in traces if trace.kind != "web_search"] == [
        "reasoning",
        "reasoning",
        "message",
    ]
    assert "shore power" in traces[0].text
    assert traces[1].kind == "web_search"
    assert [source["url"] for source in traces[1].sources] == [
        document["url"] for document in DOCUMENTS
    ]
    assert job.steps == len(traces)

    citations = list(result.citations.all())
    assert [one.position for one in citations] == list(range(1, len(citations) + 1))
    assert {one.url for one in citations} == {one["url"] for one in DOCUMENTS}
    for one in citations:
        (source,) = [document for document in DOCUMENTS if document["url"] == one.url]
        assert one.title == source["title"]
        assert len(one.quote) > 20
        assert one.quote in source["text"]
        passage = result.content[one.start : one.end].strip()
        assert passage.startswith(one.quote)
        assert passage.endswith(f"[{one.title}]({one.url}))")


def test_the_answer_is_kept_as_it_came_with_what_it_cost(note, shop, courier, provider):
    job = bring_to("awaiting_review", submit(shop), courier)
    (attempt,), (run,) = job.attempts.all(), runs_of(job, provider)

    body = json.loads(attempt.raw.body)
    assert body["id"] == attempt.response_id == run["id"]
    assert body["output"][-1]["content"][0]["text"] == job.latest_result.content
    assert attempt.provider_status == "completed"
    assert attempt.accepted_at <= attempt.ended_at == attempt.settled_at
    usage = [attempt.input_tokens, attempt.output_tokens, attempt.total_tokens]
    assert usage == [
        body["usage"][name]
        for name in ("input_tokens", "output_tokens", "total_tokens")
    ]
    assert all(usage)


def test_the_metadata_lead_back_to_us(note, shop, courier, provider):
    job = bring_to("awaiting_review", submit(shop), courier)
    (attempt,), (run,) = job.attempts.all(), runs_of(job, provider)

    assert run["metadata"] == {
        "instance": "bgreview-tests",
        "job": str(job.public_id),
        "attempt": str(attempt.uuid),
    }


INVOICE = {
    "type": "object",
    "properties": {
        "total": {"type": ["number", "null"]},
        "payee": {"type": "string"},
    },
    "required": ["total", "payee"],
    "additionalProperties": False,
}


def test_a_structured_answer_is_valid_and_hashed_in_its_one_form(shop, courier):
    job_type(output_schema=INVOICE)
    text = "Invoice no: A-2024-0117\nPayee: Bäckerei\nTotal: 1,130.01 EUR"
    job = bring_to("awaiting_review", submit(shop, text), courier)
    result = job.latest_result

    jsonschema.validate(result.content, INVOICE)
    assert result.body == '{"payee":"Bäckerei","total":1130.01}'
    assert result.content_hash == sha256(result.body.encode()).hexdigest()
    assert result.flags == []
    completed = job.events.get(became="completed")
    assert completed.data == {"result": 1, "sha256": result.content_hash}


# ---- hostile answers -------------------------------------------------------------
EVIL = "<script>\0\ud800" + "x" * 1_000
HOSTILE = [
    {"type": "reasoning", "summary": [{"text": EVIL}]},
    {
        "type": "web_search_call",
        "status": EVIL,
        "action": {"query": EVIL, "sources": [{"url": EVIL, "title": EVIL}]},
    },
    {"type": "code_interpreter_call", "status": EVIL, "code": EVIL},
    {"type": "mcp_call", "server_label": EVIL, "name": EVIL, "output": EVIL},
    {"type": EVIL},
    {
        "type": "message",
        "content": [
            {
                "type": "output_text",
                "text": EVIL,
                "annotations": [
                    {
                        "start_index": -1,
                        "end_index": 10**40,
                        "url": EVIL,
                        "title": EVIL,
                    },
                    {"index": 5, "filename": EVIL},
                ],
            }
        ],
    },
]


def test_whatever_a_model_says_can_be_stored(note, shop, scripted):
    said = {"output": HOSTILE, "metadata": {EVIL: EVIL}, "usage": {"total_tokens": -1}}
    courier = scripted(response(), look(response("completed", **said)))
    job = bring_to("awaiting_review", submit(shop), courier)

    stored = "<script>\ufffd\ufffd" + "x" * 1_000
    assert job.latest_result.content == stored
    assert [one.url for one in job.latest_result.citations.all()] == [stored, ""]
    assert job.attempts.get().traces.count() == len(HOSTILE)


def test_whatever_an_error_says_can_be_stored(note, shop, scripted):
    said = {"error": {"code": EVIL, "message": EVIL}}
    courier = scripted(response(), look(response("failed", **said)))
    job = bring_to("failed", submit(shop), courier)

    assert job.failure_message.startswith("<script>\ufffd\ufffdxxx")


def test_whatever_a_refusal_says_can_be_stored(note, shop, scripted):
    body = {"error": {"code": EVIL, "message": EVIL, "type": EVIL, "param": EVIL}}
    courier = scripted({"status": 400, "body": body})
    job = bring_to("failed", submit(shop), courier)

    assert "<script>" in job.failure_message
