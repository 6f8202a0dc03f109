"""Starting: what follows when a start fails, is refused, or was never answered."""

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.utils import timezone

from jobs.explain import explain
from jobs.services.claim import claim_jobs
from jobs.services.errands import Kind
from jobs.services.observe import apply
from jobs.services.retry import retry_job
from jobs.sweep import turn
from tests.house import PATIENCE, bring_to, job_type, submit
from tests.sweeping import (
    carry,
    claim,
    claim_one,
    error,
    history,
    let_lease_pass,
    make_due,
    response,
    runs_of,
)

pytestmark = pytest.mark.both_databases


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
        (error(500, "server_error"), "transient", "queued"),
        (error(502), "lost", "queued"),
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
        *[("inf", 3_600, 3_601), ("-1", 0, 2), ("soon", 0, 2), ("nan", 0, 2)],
        ("Wed, 21 Oct 2065 07:28:00 GMT", 3_600, 3_601),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 2),
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
    courier = scripted(*[error(500, "server_error")] * 8)
    job = bring_to("failed", submit(shop), courier)

    assert job.failure_class == "transient"
    assert [attempt.tries for attempt in job.attempts.all()] == [1, 2, 3, 4, 5]


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
    for _ in range(4):
        assert history(job)[-1] == "queued"
        assert claim_one(job)  # to begin it
        let_lease_pass(job)
        assert not claim_one(job)  # to find that it died

    job.refresh_from_db()
    (*_, last) = job.attempts.all()
    assert (job.status, job.failure_class) == ("failed", "poison")
    assert (last.number, last.failure_class) == (4, "poison")
    assert "nothing else in hand" in job.failure_message
