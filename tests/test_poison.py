"""Jobs whose handling kills workers: handled alone, then given up."""

import pytest
from django.utils import timezone

from jobs.models import Job
from jobs.services.claim import POISON, SUSPECT, claim_jobs, claim_suspect
from jobs.services.retry import retry_job
from jobs.sweep import turn
from tests.house import bring_to, submit

pytestmark = pytest.mark.django_db


def die_with(job: Job) -> None:
    """A worker takes what is due, and its lease runs out."""
    Job.objects.filter(pk=job.pk).wake()
    assert claim_jobs(10) or claim_suspect()
    over = Job.objects.filter(pk=job.pk)
    over.update(lease_until=timezone.now())
    over.wake()


def runs(shop, courier) -> Job:
    return bring_to("running", submit(shop, "Hi. [sandbox:slow]"), courier)


def test_an_answer_ends_the_count(note, shop, courier):
    job = runs(shop, courier)
    die_with(job)
    turn(courier, 5)
    job.refresh_from_db()
    assert (job.lost_leases, job.lease_until) == (0, None)


def test_a_lost_lease_is_counted_and_the_job_is_looked_at_again(note, shop, courier):
    job = runs(shop, courier)
    die_with(job)
    assert len(claim_jobs(10)) == 1
    job.refresh_from_db()
    assert job.lost_leases == 1


def test_after_two_lost_leases_it_is_no_longer_taken_with_others(note, shop, courier):
    job = runs(shop, courier)
    for _ in range(SUSPECT + 1):
        die_with(job)
    other = submit(shop)
    assert [errand.job for errand in claim_jobs(10)] == [other]
    assert [errand.job for errand in claim_suspect()] == [job]
    assert claim_suspect() == []


def test_a_sweep_handles_it_alone_and_before_all_others(
    note, shop, courier, monkeypatch
):
    job = runs(shop, courier)
    for _ in range(SUSPECT + 1):
        die_with(job)
    submit(shop)
    sent = []
    send = courier.send

    def spy(errands):
        errands = list(errands)
        if errands:
            sent.append([errand.job.pk for errand in errands])
            assert job.pk not in sent[-1] or courier.in_flight == 0
        send(errands)

    monkeypatch.setattr(courier, "send", spy)
    turn(courier, 5)
    assert sent[0] == [job.pk]
    job.refresh_from_db()
    assert (job.status, job.lost_leases) == ("running", 0)


def test_dying_alone_twice_is_enough(note, shop, courier, olivia):
    job = runs(shop, courier)
    for _ in range(POISON):
        die_with(job)
    assert claim_suspect() == []
    job.refresh_from_db()
    attempt = job.attempts.get()
    assert (job.status, job.failure_class) == ("failed", "poison")
    assert (attempt.failure_class, attempt.wake_at) == ("poison", None)
    assert attempt.settled_at  # it is not asked about again: that may be what kills
    assert "nothing else in hand" in job.events.last().note

    retry_job(job, by=olivia)
    assert len(claim_jobs(10)) == 1  # a person may try it afresh
