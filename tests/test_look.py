"""Looking at what runs: failures change nothing, and nothing is asked twice."""

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone
from django_q.models import OrmQ

from jobs.models import Attempt, Job
from jobs.services import observe
from jobs.services.cancel import cancel_job
from jobs.services.check import check_job
from jobs.services.claim import claim_jobs
from jobs.services.observe import apply
from jobs.services.retry import retry_job
from tests.house import PATIENCE, bring_to, submit, sweep_until
from tests.sweeping import (
    HOUR,
    carry,
    claim,
    error,
    history,
    let_lease_pass,
    look,
    response,
    runs_of,
    wait_until_answered,
)

pytestmark = pytest.mark.both_databases


# ---- looking ---------------------------------------------------------------------
def test_a_response_that_is_missing_for_a_moment_is_found_again(note, shop, scripted):
    lags = [look(error(404))] * 2
    courier = scripted(response(), *lags, look(response("completed")))
    job = bring_to("running", submit(shop), courier)
    for _ in lags:
        apply(carry(courier, claim(job)))
        assert job.attempts.get().missing_since
    assert history(job)[-1] == "running"
    bring_to("awaiting_review", job, courier)
    assert job.attempts.get().missing_since is None


def test_a_response_that_stays_missing_ends_the_job(note, shop, scripted):
    courier = scripted(response(), *[look(error(404))] * 2)
    job = bring_to("running", submit(shop), courier)
    apply(carry(courier, claim(job)))
    assert history(job)[-1] == "running"
    job.attempts.update(missing_since=timezone.now() - HOUR)
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
    (look_,) = carry(courier, claim(job))
    assert claim(job) == []  # in our hand: nobody asks a second time
    Job.objects.filter(pk=job.pk).update(lease_until=None)  # whoever lost the clock
    again = carry(courier, claim(job))

    assert apply([look_, *again]) == 2
    assert history(job).count("completed") == 1
    assert job.results.count() == 1
    assert job.events.last().kind == "status"


# ---- many at once ----------------------------------------------------------------
def test_one_response_belongs_to_one_attempt(note, shop, scripted):
    """The provider gives two jobs the same response: the other one is lost."""
    twice, other = response(), response("completed", id="resp_2")
    jobs = [submit(shop, f"Job {n}") for n in range(3)]
    apply(carry(scripted(twice, twice, other), claim(*jobs)))

    ends = sorted(history(job)[-1] for job in jobs)
    assert ends == ["awaiting_review", "queued", "running"]
    lost = Job.objects.get(status="queued").attempts.get()
    assert (lost.response_id, lost.failure_class) == (None, "lost")
    assert "another attempt has" in lost.failure_message


def test_no_job_gets_the_answer_of_another_response(note, shop, scripted):
    """Not even of one that nobody knows: the id that was asked for is in the body."""
    courier = scripted(response(), look(response("completed", id="resp_9")))
    job = bring_to("running", submit(shop), courier)
    apply(carry(courier, claim(job)))
    assert history(job)[-1] == "running"
    assert job.attempts.get().response_id == "resp_1"


def test_no_job_gets_the_answer_that_another_attempt_began(note, shop, scripted):
    """A create gave us the id of somebody else's response: a look tells."""
    theirs = response("completed", metadata={"attempt": str(uuid.uuid4())})
    courier = scripted(response(), look(theirs))
    job = bring_to("running", submit(shop), courier)
    apply(carry(courier, claim(job)))

    attempt = job.attempts.get()
    assert history(job)[-1] == "queued"
    assert (attempt.response_id, attempt.failure_class) == (None, "lost")
    assert "resp_1, which is not its response" in attempt.failure_message
    assert not job.results.exists()
    assert attempt.wake_at is None  # nor is the other one stopped in its name


def test_an_answer_that_cannot_be_applied_keeps_no_other_from_it(
    note, shop, scripted, monkeypatch
):
    jobs = [submit(shop, f"Job {n}") for n in range(3)]
    three = [response(id=f"resp_{n}") for n in range(3)]
    errands = carry(scripted(*three), claim(*jobs))
    note_snapshot = observe.note_snapshot

    def stumble(attempt, snapshot, now):
        assert snapshot.response_id != "resp_1"
        note_snapshot(attempt, snapshot, now)

    monkeypatch.setattr(observe, "note_snapshot", stumble)
    assert apply(errands) == 2
    assert sorted(history(job)[-1] for job in jobs) == ["queued", "running", "running"]
    left = Job.objects.get(status="queued")
    assert left.attempts.get().ended_at is None
    let_lease_pass(left)
    assert claim_jobs(10) == []
    assert left.attempts.get().failure_class == "lost"


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


def test_a_run_in_an_unknown_state_is_stopped_before_it_counts_as_settled(
    note, shop, scripted
):
    stop = response("cancelled") | {"uri": "/v1/responses/resp_1/cancel"}
    courier = scripted(response("pausing"), stop)
    job = bring_to("failed", submit(shop), courier)
    attempt = job.attempts.get()
    assert (attempt.failure_class, attempt.settled_at) == ("unknown", None)

    sweep_until(courier, lambda: job.attempts.get().settled_at)
    assert job.attempts.get().provider_status == "cancelled"


def test_the_next_look_is_not_after_the_attempt_s_time_is_over(slow_job):
    job, courier = slow_job
    Job.objects.filter(pk=job.pk).update(attempt_seconds=1)
    apply(carry(courier, claim(job)))
    job.refresh_from_db()
    (attempt,) = job.attempts.all()
    assert job.wake_at == attempt.accepted_at + timedelta(seconds=1)
