"""Ends that do not come from the provider: by a person, by the clock."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from jobs.models import Attempt, Job
from jobs.services.cancel import cancel_job
from jobs.services.claim import claim_jobs, claim_unsettled
from jobs.services.observe import apply
from jobs.services.retry import retry_job
from jobs.sweep import turn
from tests.house import bring_to, job_type, submit, sweep_until
from tests.sweeping import (
    carry,
    claim,
    error,
    history,
    look,
    make_due,
    past_deadline,
    response,
    runs_of,
    wait_until_answered,
)


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


def test_a_start_that_was_not_answered_before_the_cancel_leaves_a_trace(
    note, shop, olivia, courier
):
    """It may be paid for: it counts as lost until its answer says otherwise."""
    job = submit(shop)
    claim(job)  # whose answer nobody will ever note
    cancel_job(Job.objects.get(pk=job.pk), by=olivia)

    attempt = job.attempts.get()
    assert (attempt.failure_class, attempt.response_id) == ("lost", None)
    assert "before the answer" in job.events.get(kind="attempt").note
    assert attempt in type(attempt).objects.unanswered(timezone.now())


@pytest.mark.parametrize(
    ("answer", "failure"),
    [(response(), ""), (error(400), "malformed_input"), (error(502), "lost")],
)
def test_what_comes_of_such_a_start_is_noted_when_it_comes(
    note, shop, olivia, scripted, answer, failure
):
    job = submit(shop)
    errands = carry(scripted(answer), claim(job))
    cancel_job(Job.objects.get(pk=job.pk), by=olivia)
    apply(errands)

    attempt = job.attempts.get()
    assert attempt.failure_class == failure
    assert bool(attempt.wake_at) == (failure == "")  # that one is to be stopped
    assert history(job)[-1] == "cancelled"


def test_what_was_completed_before_the_deadline_is_taken_after_it(
    note, shop, courier, provider
):
    """Nobody looked in time: the last look is made before it is given up."""
    job = bring_to("running", submit(shop), courier)
    wait_until_answered(job, provider)
    past_deadline(job)
    apply(carry(courier, claim(job)))
    assert history(job)[-1] == "awaiting_review"
