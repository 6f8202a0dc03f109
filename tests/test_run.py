"""A job from submission to its review or its failure, against providers over HTTP."""

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from hashlib import sha256

import httpx2
import jsonschema
import pytest
from django.db import connection, connections, transaction
from django.utils import timezone
from django_q.models import OrmQ
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from jobs.courier import Courier
from jobs.explain import explain
from jobs.lifecycle import job_moved
from jobs.models import Attempt, Job, Pause, Result, Sweep
from jobs.sandbox.app import make_app
from jobs.sandbox.serving import Served, serve
from jobs.services.cancel import cancel_job
from jobs.services.check import check_job
from jobs.services.errands import Errand, Kind
from jobs.services.observe import apply
from jobs.services.retry import retry_job
from jobs.services.start import LEASE, claim_jobs, claim_unsettled
from jobs.services.verify import broken_links
from jobs.sweep import sweep, turn
from reviews.models import Review
from tests.house import PATIENCE, bring_to, job_type, submit, sweep_until

RESPONSES = "/v1/responses"
HOUR = timedelta(hours=1)

# ---- helpers ---------------------------------------------------------------------


def history(job: Job) -> list[str]:
    """The statuses it had, in order; its chain is whole."""
    job = Job.objects.get(pk=job.pk)
    assert broken_links(job) == []
    return list(job.events.filter(kind="status").values_list("became", flat=True))


def runs_of(job: Job, provider: Served) -> list[dict]:
    """What the sandbox's own ledger says of this job, oldest run first."""
    ledger = httpx2.get(f"{provider.url}/sandbox/ledger").json()["data"]
    return [run for run in ledger if run["metadata"]["job"] == str(job.public_id)]


def wait_until_answered(job: Job, provider: Served) -> None:
    until = time.monotonic() + PATIENCE
    while runs_of(job, provider)[-1]["status"] != "completed":
        assert time.monotonic() < until, "it was not answered"


def carry(courier: Courier, errands: list[Errand]) -> list[Errand]:
    """Send them, and wait until all have their replies; nothing is applied yet."""
    courier.send(errands)
    back: list[Errand] = []
    while len(back) < len(errands):
        found = courier.collect(wait=PATIENCE, most=100)
        assert found, "no reply came"
        back += found
    return back


def make_due(*jobs: Job) -> None:
    Job.objects.filter(pk__in=[job.pk for job in jobs]).wake()


def let_lease_pass(job: Job) -> None:
    """As if it had been claimed that long ago."""
    job.attempts.filter(ended_at=None).update(created_at=timezone.now() - LEASE)
    make_due(job)


def claim(*jobs: Job) -> list[Errand]:
    make_due(*jobs)
    return claim_jobs(len(jobs))


@pytest.fixture
def ask(settings) -> Iterator[Callable[..., Courier]]:
    """Opens couriers to other providers, with other keys."""
    opened: list[Courier] = []

    def open_courier(base_url: str, key: str = "sk-tests") -> Courier:
        settings.OPENAI_BASE_URL, settings.OPENAI_API_KEY = base_url, key
        opened.append(Courier())
        return opened[-1].__enter__()

    yield open_courier
    for courier in opened:
        courier.__exit__(None, None, None)


@pytest.fixture(scope="module")
def slow_provider() -> Iterator[Served]:
    """The sandbox at the pace of life: what it was given takes it minutes."""
    with serve(make_app(scale=1)) as served:
        yield served


@pytest.fixture
def slow_job(note, shop, ask, slow_provider) -> tuple[Job, Courier]:
    """A job that runs, and will for some minutes; and who asks about it."""
    courier = ask(slow_provider.base_url)
    return bring_to("running", submit(shop, "Hi. [sandbox:slow]"), courier), courier


@pytest.fixture
def scripted(httpserver: HTTPServer, ask) -> Callable[..., Courier]:
    """A provider that answers what it is told to, in this order."""

    def script(*answers: dict) -> Courier:
        for answer in answers:
            known = {"method": "POST", "uri": RESPONSES, "headers": {}} | answer
            httpserver.expect_ordered_request(
                known["uri"], method=known["method"]
            ).respond_with_data(
                known["body"]
                if isinstance(known["body"], (str, bytes))
                else json.dumps(known["body"]),
                status=known.get("status", 200),
                headers=known["headers"],
            )
        return ask(httpserver.url_for("/v1"))

    return script


def response(status: str = "in_progress", **said) -> dict:
    """An answer of the scripted provider, which always calls it resp_1."""
    return {"body": {"id": "resp_1", "status": status, "output": []} | said}


def error(status: int, code: str = "", **headers: str) -> dict:
    body = {"error": {"message": "Sorry.", "type": "", "param": None, "code": code}}
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return {"status": status, "body": body, "headers": names}


def look(answer: dict) -> dict:
    return answer | {"method": "GET", "uri": f"{RESPONSES}/resp_1"}


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


# ---- failures --------------------------------------------------------------------


def test_what_fails_once_is_tried_again_by_itself(note, shop, courier):
    job = bring_to("awaiting_review", submit(shop, "Hi. [sandbox:flaky]"), courier)
    first, second = job.attempts.all()

    assert (first.failure_class, first.failure_code) == ("transient", "server_error")
    assert first.follow_up.startswith("retry at ")
    assert first.settled_at
    assert (second.failure_class, second.follow_up) == ("", "completed")
    assert [(a.reason, a.tries) for a in (first, second)] == [
        ("first", 1),
        ("retry", 2),
    ]
    assert job.latest_result.attempt == second
    assert history(job) == [
        *["queued", "running", "queued", "running"],
        *["completed", "awaiting_review"],
    ]
    again = job.events.filter(became="queued").last()
    assert again.note.startswith("The server had an error")
    assert again.data == {"attempt": 1, "class": "transient"}


def test_bad_input_fails_at_once_and_says_what_to_mend(note, shop, courier, provider):
    job = bring_to("failed", submit(shop, "Hi. [sandbox:bad-input]"), courier)
    (attempt,) = job.attempts.all()

    assert (job.failure_class, job.failure_code) == (
        "malformed_input",
        "invalid_prompt",
    )
    assert attempt.failure_class == "malformed_input"
    assert "Please try again with a different prompt" in job.failure_message
    assert "Correct the input" in explain(job).sentence
    assert history(job) == ["queued", "failed"]
    make_due(job)
    assert claim_jobs(10) == []
    assert runs_of(job, provider) == []


def test_a_person_may_have_a_failed_job_tried_again(note, shop, olivia, courier):
    job = bring_to("failed", submit(shop, "Hi. [sandbox:bad-input]"), courier)
    retry_job(job, by=olivia, note="They say it was a mistake.")
    assert (job.failure_class, job.failure_message) == ("", "")
    job = bring_to("failed", job, courier)

    assert [(a.reason, a.tries) for a in job.attempts.all()] == [
        ("first", 1),
        ("person", 1),
    ]
    assert job.events.filter(actor="olivia").get().became == "queued"


@pytest.mark.parametrize(
    ("answer", "failure", "status"),
    [
        (error(500), "transient", "queued"),
        (error(503, "server_is_overloaded"), "transient", "queued"),
        (error(429, "rate_limit_exceeded"), "transient", "queued"),
        (error(408), "timeout", "queued"),
        (error(400, "invalid_json_schema"), "malformed_input", "failed"),
        (error(422), "malformed_input", "failed"),
        (error(400, "content_policy_violation"), "policy", "failed"),
        ({"body": "<html>Welcome</html>"}, "lost", "queued"),
        ({"body": '{"id": "resp_1", "sta'}, "lost", "queued"),
        ({"body": "[]"}, "lost", "queued"),
        (response("failed", error={"code": "brand_new"}), "unknown", "failed"),
        (response("mulling"), "unknown", "failed"),
        (response("failed", error={"code": "bio_policy"}), "policy", "failed"),
    ],
    ids=lambda value: value if isinstance(value, str) else json.dumps(value)[:60],
)
def test_an_answer_to_a_start_is_followed_by_class(
    note, shop, scripted, answer, failure, status
):
    job = submit(shop)
    apply(carry(scripted(answer), claim(job)))
    job.refresh_from_db()
    (attempt,) = job.attempts.all()

    assert (attempt.failure_class, job.status) == (failure, status)
    assert attempt.ended_at
    assert attempt.follow_up
    assert history(job)[-1] == status


@pytest.mark.parametrize(
    ("asked", "least", "most"),
    [
        *[("7", 7, 8), ("0", 0, 2), ("99999999999999999999", 3_600, 3_601)],
        *[("inf", 3_600, 3_601), ("Wed, 21 Oct 2065 07:28:00 GMT", 0, 2), ("-1", 0, 2)],
    ],
)
def test_a_start_waits_as_long_as_the_provider_asks(
    note, shop, scripted, asked, least, most
):
    job, before = submit(shop), timezone.now()
    apply(carry(scripted(error(429, retry_after=asked)), claim(job)))
    job.refresh_from_db()

    assert job.wake_at >= before + timedelta(seconds=least)
    assert job.wake_at <= timezone.now() + timedelta(seconds=most)


def test_a_provider_that_is_down_is_named_and_tried_again(note, shop, ask, provider):
    with socket.socket() as closed:  # bound, but nobody listens
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        job = submit(shop)
        courier = ask(f"http://127.0.0.1:{port}/v1")
        apply(carry(courier, claim(job)))
    job.refresh_from_db()
    (attempt,) = job.attempts.all()

    assert (job.status, attempt.failure_class) == ("queued", "transient")
    assert f"127.0.0.1:{port}" in attempt.failure_message
    assert attempt.failure_message in job.events.last().note
    bring_to("awaiting_review", job, ask(provider.base_url))


def test_a_provider_that_never_answers_is_not_waited_for(note, shop, ask, monkeypatch):
    monkeypatch.setattr("jobs.provider.openai.PATIENCE", 0.2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        job = submit(shop)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        (errand,) = carry(ask(url), claim(job))
        apply([errand])
    (attempt,) = job.attempts.all()

    assert (attempt.failure_class, attempt.failure_code) == ("lost", "timed_out")


def test_a_provider_that_hangs_up_may_have_accepted_it(note, shop, ask):
    with socket.create_server(("127.0.0.1", 0)) as rude:
        port = rude.getsockname()[1]
        rude.settimeout(PATIENCE)

        def hang_up() -> None:
            line, _ = rude.accept()
            with line:
                line.recv(100)

        with ThreadPoolExecutor(1) as threads:
            threads.submit(hang_up)
            job = submit(shop)
            apply(carry(ask(f"http://127.0.0.1:{port}/v1"), claim(job)))
    (attempt,) = job.attempts.all()

    assert (attempt.failure_class, attempt.failure_code) == ("lost", "no_connection")


def test_tries_come_to_an_end(note, shop, scripted):
    courier = scripted(*[error(500)] * 8)
    job = bring_to("failed", submit(shop), courier)

    assert job.failure_class == "transient"
    assert [attempt.tries for attempt in job.attempts.all()] == [1, 2, 3, 4, 5]


# ---- looking ---------------------------------------------------------------------


def test_a_fresh_response_that_is_not_found_is_looked_for_again(note, shop, scripted):
    courier = scripted(response(), look(error(404)), look(response("completed")))
    job = bring_to("running", submit(shop), courier)
    apply(carry(courier, claim(job)))
    assert history(job)[-1] == "running"
    bring_to("awaiting_review", job, courier)


def test_an_old_response_that_is_not_found_ends_the_job(note, shop, scripted):
    courier = scripted(response(), look(error(404)))
    job = bring_to("running", submit(shop), courier)
    job.attempts.update(accepted_at=timezone.now() - HOUR)
    apply(carry(courier, claim(job)))

    job.refresh_from_db()
    (attempt,) = job.attempts.all()
    assert (job.status, attempt.failure_class) == ("expired", "gone")
    assert "has this response no more" in job.events.last().note


@pytest.mark.parametrize("answer", [error(500), error(401), {"body": "<html>"}])
def test_a_look_that_fails_changes_nothing_but_when_to_look(
    note, shop, scripted, answer
):
    courier = scripted(response(), look(answer), look(response("completed")))
    job = bring_to("running", submit(shop), courier)
    apply(carry(courier, claim(job)))

    job.refresh_from_db()
    assert (job.status, job.attempts.get().ended_at) == ("running", None)
    assert job.wake_at > timezone.now()
    bring_to("awaiting_review", job, courier)


def test_steps_are_counted_while_it_runs(note, shop, scripted):
    steps = [{"type": "reasoning", "summary": []}] * 3
    courier = scripted(response(), look(response(output=steps)))
    job = bring_to("running", submit(shop), courier)
    before = Job.objects.get(pk=job.pk).revision
    apply(carry(courier, claim(job)))

    job.refresh_from_db()
    assert (job.steps, job.revision) == (3, before + 1)


def test_check_now_during_a_look_is_not_overwritten(slow_job, olivia):
    job, courier = slow_job
    errands = carry(courier, claim(job))
    check_job(job, by=olivia)
    asked_for = Job.objects.get(pk=job.pk).wake_at
    apply(errands)

    job.refresh_from_db()
    assert job.wake_at == asked_for <= timezone.now()
    assert job.attempts.get().provider_status in ("queued", "in_progress")


def test_check_now_during_a_start_is_not_overwritten(
    note, shop, olivia, ask, slow_provider
):
    job = submit(shop, "Hi. [sandbox:slow]")
    errands = carry(ask(slow_provider.base_url), claim(job))
    check_job(job, by=olivia)
    asked_for = Job.objects.get(pk=job.pk).wake_at
    apply(errands)

    job.refresh_from_db()
    assert (job.status, job.wake_at) == ("running", asked_for)


def test_check_now_during_a_start_starts_nothing_twice(
    note, shop, olivia, courier, provider
):
    job = submit(shop)
    under_way = claim(job)
    check_job(job, by=olivia)
    assert claim_jobs(10) == []
    apply(carry(courier, under_way))
    bring_to("awaiting_review", job, courier)

    assert job.attempts.count() == len(runs_of(job, provider)) == 1


def test_without_that_the_next_look_is_planned(slow_job):
    job, courier = slow_job
    before = timezone.now()
    apply(carry(courier, claim(job)))

    job.refresh_from_db()
    assert timedelta(seconds=2) <= job.wake_at - before < timedelta(seconds=60)


def test_one_answer_that_comes_twice_counts_once(note, shop, courier, provider):
    """A look, and a second one because someone asked to check now meanwhile."""
    job = bring_to("running", submit(shop), courier)
    wait_until_answered(job, provider)
    errands = carry(courier, claim(job) + claim(job))
    assert len(errands) == 2

    assert apply(errands) == 2
    assert history(job).count("completed") == 1
    assert job.results.count() == 1
    assert job.events.last().kind == "status"


# ---- an end by us ----------------------------------------------------------------


def test_a_job_cancelled_while_it_runs_stops_at_the_provider_too(
    slow_job, slow_provider, olivia
):
    job, courier = slow_job
    cancel_job(job, by=olivia, note="Not needed.")
    attempt = job.attempts.get()
    assert (attempt.settled_at, attempt.follow_up) == (None, "to be stopped")
    sweep_until(courier, lambda: job.attempts.filter(settled_at=None).count() == 0)

    (run,) = runs_of(job, slow_provider)
    assert (run["status"], run["cancelled"]) == ("cancelled", True)
    attempt.refresh_from_db()
    assert attempt.provider_status == "cancelled"
    assert history(job) == ["queued", "running", "cancelled"]
    assert job.events.last().kind == "settled"
    assert not job.results.exists()


def test_a_job_cancelled_while_it_is_started_stops_at_the_provider_too(
    note, shop, olivia, ask, slow_provider
):
    job, courier = submit(shop, "Hi. [sandbox:slow]"), ask(slow_provider.base_url)
    errands = carry(courier, claim(job))
    cancel_job(Job.objects.get(pk=job.pk), by=olivia)
    apply(errands)
    sweep_until(courier, lambda: job.attempts.filter(settled_at=None).count() == 0)

    (run,) = runs_of(job, slow_provider)
    assert run["cancelled"]
    assert history(job) == ["queued", "cancelled"]


def test_an_answer_that_comes_too_late_is_kept_and_moves_nothing(
    note, shop, olivia, courier, provider
):
    job = bring_to("running", submit(shop), courier)
    wait_until_answered(job, provider)
    errands = carry(courier, claim(job))
    cancel_job(Job.objects.get(pk=job.pk), by=olivia)
    apply(errands)

    (attempt,) = job.attempts.all()
    assert history(job) == ["queued", "running", "cancelled"]
    assert not job.results.exists()
    assert attempt.settled_at
    assert attempt.total_tokens
    assert attempt.traces.count() == 2
    assert json.loads(attempt.raw.body)["status"] == "completed"
    assert claim_unsettled(10) == []


def test_what_a_stopped_run_had_cost_is_noted(note, shop, olivia, courier, provider):
    job = bring_to("running", submit(shop), courier)
    wait_until_answered(job, provider)
    cancel_job(job, by=olivia)
    sweep_until(courier, lambda: job.attempts.filter(settled_at=None).count() == 0)

    attempt = job.attempts.get()
    assert (attempt.provider_status, bool(attempt.total_tokens)) == ("completed", True)
    assert history(job)[-1] == "cancelled"


def test_a_retried_job_is_not_moved_by_the_answer_to_its_first_run(
    slow_job, olivia, ask, provider
):
    """running -> queued -> running: the status is the same, the attempt is not."""
    job, slow_courier = slow_job
    late = carry(slow_courier, claim(job))
    cancel_job(Job.objects.get(pk=job.pk), by=olivia)
    retry_job(Job.objects.get(pk=job.pk), by=olivia)
    courier = ask(provider.base_url)
    apply(carry(courier, claim(job)))
    assert history(job)[-1] == "running"
    before = Job.objects.values().get(pk=job.pk)
    apply(late)

    assert Job.objects.values().get(pk=job.pk) == before
    bring_to("awaiting_review", job, courier)
    assert job.latest_result.attempt.number == 2


def test_a_run_past_its_limit_is_stopped_and_tried_again(shop, ask, slow_provider):
    job_type(attempt_seconds=600)
    courier = ask(slow_provider.base_url)
    job = bring_to("running", submit(shop, "Hi. [sandbox:slow]"), courier)
    job.attempts.update(accepted_at=timezone.now() - timedelta(seconds=601))
    sweep_until(
        courier, lambda: job.attempts.filter(response_id__isnull=False).count() == 2
    )
    first, second = job.attempts.all()
    sweep_until(courier, lambda: Attempt.objects.get(pk=first.pk).settled_at)

    first.refresh_from_db()
    assert (first.failure_class, first.failure_code) == ("timeout", "attempt_too_long")
    assert (second.ended_at, second.reason, second.tries) == (None, "retry", 2)
    assert [run["cancelled"] for run in runs_of(job, slow_provider)] == [True, False]
    assert history(job) == ["queued", "running", "queued", "running"]


# ---- time is up ------------------------------------------------------------------


def past_deadline(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(deadline_at=timezone.now())


def test_a_queued_job_past_its_deadline_expires_unstarted(
    note, shop, courier, provider
):
    job = submit(shop)
    past_deadline(job)
    turn(courier, 0)

    job.refresh_from_db()
    assert (job.status, job.failure_code) == ("expired", "deadline")
    assert runs_of(job, provider) == []
    assert not job.attempts.exists()


def test_a_running_job_past_its_deadline_expires_and_is_stopped(
    slow_job, slow_provider
):
    job, courier = slow_job
    past_deadline(job)
    make_due(job)
    sweep_until(courier, lambda: job.attempts.filter(settled_at=None).count() == 0)

    assert history(job) == ["queued", "running", "expired"]
    assert runs_of(job, slow_provider)[0]["cancelled"]


def test_a_deadline_is_never_slept_through(note, shop, ask, slow_provider):
    job = submit(shop, "Hi. [sandbox:slow]", deadline_seconds=1)
    apply(carry(ask(slow_provider.base_url), claim(job)))

    job.refresh_from_db()
    assert job.wake_at == job.deadline_at


def test_a_review_that_nobody_decides_is_abandoned_and_never_approved(review):
    job = review.job
    past_deadline(job)  # which ruled until it was completed, and not a moment longer
    Job.objects.filter(pk=job.pk).update(wake_at=timezone.now())
    assert claim_jobs(10) == []

    assert history(job)[-1] == "abandoned"
    review.refresh_from_db()
    assert review.closed_at
    assert not job.deliveries.exists()


CALLS = [
    {"type": "function_call", "call_id": "c" * 300 + end, "name": "n" * 300}
    for end in "ab"
]


def test_a_model_that_asks_waits_for_answers_and_then_no_more(note, shop, scripted):
    courier = scripted(response(), look(response("completed", output=CALLS)))
    job = bring_to("requires_action", submit(shop), courier)
    (attempt,) = job.attempts.all()

    assert attempt.tool_calls.count() == 1  # of two that cannot be told apart
    assert job.wake_at == job.deadline_at
    past_deadline(job)
    Job.objects.filter(pk=job.pk).update(wake_at=timezone.now())
    assert claim_jobs(10) == []
    assert history(job)[-1] == "expired"


# ---- lost creates ----------------------------------------------------------------


def test_a_start_that_died_unanswered_is_lost_and_begun_again(
    note, shop, courier, provider
):
    job = submit(shop)
    (dead,) = claim(job)  # whose answer nobody will ever note
    assert dead.kind is Kind.START
    assert claim(job) == []  # not before its lease is over
    let_lease_pass(job)
    job = bring_to("awaiting_review", job, courier)

    first, second = job.attempts.all()
    assert (first.failure_class, first.response_id) == ("lost", None)
    assert first.ended_at
    assert (second.reason, second.tries) == ("retry", 2)
    assert len(runs_of(job, provider)) == 1
    assert history(job) == ["queued", "running", "completed", "awaiting_review"]
    told = job.events.get(kind="attempt")
    assert told.data == {"attempt": 1, "class": "lost"}


def test_where_a_second_start_would_do_harm_a_person_is_asked(shop, olivia, courier):
    job_type(on_lost="ask")
    job = submit(shop)
    claim(job)
    let_lease_pass(job)
    turn(courier, 0)

    job.refresh_from_db()
    (attempt,) = job.attempts.all()
    assert (job.status, job.failure_class) == ("failed", "lost")
    assert attempt.ended_at
    assert explain(job).who == "operators"
    retry_job(job, by=olivia)
    bring_to("awaiting_review", job, courier)


def test_starts_that_die_again_and_again_come_to_an_end(note, shop):
    job = submit(shop)
    for _ in range(2 * 3):  # a claim to begin it, and one to find that it died
        assert history(job)[-1] == "queued"
        let_lease_pass(job)
        claim_jobs(1)

    job.refresh_from_db()
    assert (job.status, job.attempts.count()) == ("failed", 3)


# ---- pauses ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "reason"), [("sk-wrong", "auth"), ("sk-quota", "quota")]
)
def test_a_key_that_is_refused_pauses_all_starts_and_costs_no_try(
    note, shop, ask, provider, key, reason
):
    jobs = [submit(shop) for _ in range(3)]
    apply(carry(ask(provider.base_url, key), claim(*jobs)))

    pause = Pause.objects.get()
    assert (pause.scope, pause.reason, pause.ended_at) == ("starts", reason, None)
    assert claim(*jobs, submit(shop)) == []
    assert "paused" in explain(jobs[0]).sentence
    assert {tuple(history(job)) for job in jobs} == {("queued",)}

    Pause.objects.update(probe_at=timezone.now())
    courier = ask(provider.base_url)
    sweep_until(courier, lambda: not Pause.objects.active().exists())
    for job in jobs:
        done = bring_to("awaiting_review", job, courier)
        first, second = done.attempts.all()
        assert (first.failure_class, first.tries, second.tries) == (reason, 0, 1)


def test_a_pause_lasts_as_long_as_its_reason(note, shop, ask, provider):
    job = submit(shop)
    courier = ask(provider.base_url, "sk-wrong")
    apply(carry(courier, claim(job)))
    Pause.objects.update(probe_at=timezone.now(), note="")
    sweep_until(courier, lambda: Pause.objects.get().note)

    pause = Pause.objects.get()
    assert pause.ended_at is None
    assert "Incorrect API key" in pause.note
    assert pause.probe_at > timezone.now()  # tried again, but not at once


def test_what_runs_is_looked_at_during_a_pause(slow_job):
    job, _ = slow_job
    now = timezone.now()
    Pause.objects.create(scope="starts", reason="person", actor="olivia", began_at=now)
    assert [errand.kind for errand in claim(job)] == [Kind.LOOK]


def test_a_deadline_passes_during_a_pause_too(note, shop):
    job, now = submit(shop), timezone.now()
    Pause.objects.create(scope="starts", reason="person", actor="olivia", began_at=now)
    past_deadline(job)
    claim(job)
    assert history(job) == ["queued", "expired"]


# ---- many at once ----------------------------------------------------------------


def test_an_answer_that_cannot_be_applied_keeps_no_other_from_it(note, shop, scripted):
    """The provider gives two jobs the same response: only one of them can have it."""
    twice, other = response(), response("completed", id="resp_2")
    jobs = [submit(shop, f"Job {n}") for n in range(3)]
    errands = carry(scripted(twice, twice, other), claim(*jobs))

    assert apply(errands) == 2
    ends = sorted(history(job)[-1] for job in jobs)
    assert ends == ["awaiting_review", "queued", "running"]
    poisoned = Job.objects.get(status="queued")
    assert poisoned.attempts.get().ended_at is None
    let_lease_pass(poisoned)
    assert claim_jobs(10) == []
    assert poisoned.attempts.get().failure_class == "lost"


@pytest.mark.django_db(transaction=True)
def test_two_sweeps_share_what_is_due(note, shop):
    jobs = [submit(shop, f"Job {n}") for n in range(40)]
    barrier = threading.Barrier(2)

    def take(_: int) -> list[int]:
        taken: list[int] = []
        barrier.wait(PATIENCE)
        while Job.objects.due(timezone.now()).exists():
            taken += [errand.job.pk for errand in claim_jobs(3)]
        connections.close_all()
        return taken

    with ThreadPoolExecutor(2) as threads:
        one, other = threads.map(take, range(2))

    assert sorted(one + other) == sorted(job.pk for job in jobs)
    assert Attempt.objects.count() == len(jobs)


@pytest.mark.django_db(transaction=True)
def test_a_sweep_passes_over_what_another_is_just_claiming(note, shop):
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has one writer at a time: nobody claims beside another")
    jobs = [submit(shop, f"Job {n}") for n in range(6)]

    def take() -> list[int]:
        try:
            return [errand.job.pk for errand in claim_jobs(4)]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as threads, transaction.atomic():
        one = [errand.job.pk for errand in claim_jobs(4)]
        other = threads.submit(take).result(PATIENCE)

    assert (len(one), len(other)) == (4, 2)
    assert sorted(one + other) == sorted(job.pk for job in jobs)


def test_what_people_do_is_found_by_the_sweep_and_enqueued_nowhere(
    note, shop, olivia, courier
):
    job = submit(shop)
    check_job(job, by=olivia)
    cancel_job(job, by=olivia)
    retry_job(job, by=olivia)
    assert not OrmQ.objects.exists()
    bring_to("awaiting_review", job, courier)


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


# ---- the sweep itself ------------------------------------------------------------


def test_a_sweep_works_until_its_row_is_ended_and_brings_its_replies_home(
    note, shop, ask, httpserver, monkeypatch
):
    monkeypatch.setattr("jobs.pulse.EVERY", 0)
    ended = threading.Event()

    def answer_late(request: Request) -> Response:
        assert ended.wait(PATIENCE)
        return Response(json.dumps(response(id="resp_2")["body"]))

    def end_sweep(**moved) -> None:
        Sweep.objects.update(ended_at=timezone.now())
        ended.set()

    expect = partial(httpserver.expect_ordered_request, RESPONSES, "POST")
    expect().respond_with_json(response()["body"])
    expect().respond_with_handler(answer_late)
    jobs = [submit(shop), submit(shop)]
    job_moved.connect(end_sweep)
    try:
        ask(httpserver.url_for("/v1"))
        assert sweep() == {"handled": 2}
    finally:
        job_moved.disconnect(end_sweep)

    assert [history(job)[-1] for job in jobs] == ["running", "running"]
    row = Sweep.objects.get()
    assert (row.lane, row.pid, row.handled) == ("provider", os.getpid(), 2)


def test_a_sweep_that_waited_too_long_leaves_it_to_the_younger_ones(db):
    ago = timezone.now() - timedelta(seconds=91)
    assert sweep(intended=ago.isoformat()) == {"skipped": 1}
    assert not Sweep.objects.exists()
