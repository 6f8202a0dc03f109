"""How much may start and run at once, and what waiting jobs say of it."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from jobs.explain import explain
from jobs.models import Job, StartLimit
from jobs.services.claim import claim_jobs
from jobs.services.errands import Kind
from tests.house import bring_to, job_type, submit

pytestmark = pytest.mark.django_db


def limit(model: str = "", **most: int) -> StartLimit:
    return StartLimit.objects.create(model=model, **most)


def submit_many(shop, how_many: int, of: str = "note") -> list[Job]:
    return [submit(shop, f"Job {n}", of=of) for n in range(how_many)]


def started(how_many: int = 100) -> list[Job]:
    return [errand.job for errand in claim_jobs(how_many)]


def test_no_more_run_at_once_than_the_limit_says(note, shop):
    jobs = submit_many(shop, 5)
    limit(most_running=3)
    assert started() == jobs[:3]
    assert started() == []


def test_the_next_starts_when_one_has_ended(note, shop, courier):
    limit(most_running=1)
    first, second = submit_many(shop, 2)
    bring_to("awaiting_review", first, courier)
    bring_to("awaiting_review", second, courier)


def test_no_more_start_in_a_minute_than_the_limit_says(note, shop):
    limit(most_per_minute=2)
    jobs = submit_many(shop, 3)
    assert started() == jobs[:2]
    (one, _) = (job.attempts.get() for job in jobs[:2])
    type(one).objects.filter(pk=one.pk).update(
        created_at=timezone.now() - timedelta(minutes=1)
    )
    assert started() == jobs[2:]


def test_a_model_that_is_full_holds_nobody_else_up(note, shop):
    job_type("other", model="gpt-other")
    held = submit_many(shop, 12)
    others = submit_many(shop, 2, of="other")
    limit("gpt-5.2", most_running=1)
    assert started(3) == [held[0]]  # of the first three, two have to wait
    assert started(3) == others


def test_both_limits_hold_the_one_of_the_model_and_the_one_of_all(note, shop):
    job_type("other", model="gpt-other")
    submit_many(shop, 4)
    submit_many(shop, 4, of="other")
    limit(most_running=5)
    limit("gpt-5.2", most_running=2)
    models = [job.version.model for job in started() + started()]
    assert sorted(models) == ["gpt-5.2"] * 2 + ["gpt-other"] * 3


def test_zero_starts_nothing_and_what_runs_is_looked_at(note, shop, courier):
    running = bring_to("running", submit(shop, "Hi. [sandbox:slow]"), courier)
    limit(most_running=0)
    waiting = submit(shop)
    Job.objects.filter(pk=running.pk).wake()
    (errand,) = claim_jobs(10)
    assert (errand.kind, errand.job) == (Kind.LOOK, running)
    assert waiting.attempts.count() == 0


def test_a_job_that_waits_its_turn_says_so(note, shop):
    limit("gpt-5.2", most_running=1, most_per_minute=30)
    first, second = submit_many(shop, 2)
    started()
    said = explain(second)
    assert said.sentence == (
        "Waits its turn: at most 1 run at the same time and 30 start in a minute "
        "(gpt-5.2)."
    )
    assert (said.who, said.waiting_for) == ("system", "the limit")
    assert "at the provider" in explain(Job.objects.get(pk=first.pk)).sentence


def test_a_job_that_waits_its_turn_still_has_its_deadline(note, shop):
    limit(most_running=0)
    job = submit(shop)
    Job.objects.filter(pk=job.pk).update(deadline_at=timezone.now())
    assert started() == []
    job.refresh_from_db()
    assert job.status == "expired"


@pytest.mark.both_databases
def test_a_limit_limits_something():
    with pytest.raises(IntegrityError), transaction.atomic():
        limit()
