"""New starts wait while the provider refuses our key or our quota is used up."""

from datetime import timedelta

import pytest
from django.utils import timezone

from jobs.explain import explain
from jobs.lifecycle import MoveRefused
from jobs.models import Attempt, Job, Pause
from jobs.provider.base import Phase, ProviderFault
from jobs.services.errands import Kind
from jobs.services.observe import apply
from jobs.services.pauses import claim_probes, note_probe, resume_starts
from jobs.sweep import turn
from tests.house import bring_to, person, submit, sweep_until
from tests.sweeping import carry, claim, error, history, past_deadline, response

pytestmark = pytest.mark.django_db


def probe_now() -> None:
    Pause.objects.update(probe_at=timezone.now())


def wake_all() -> None:
    Job.objects.all().wake()


def test_a_quota_is_tried_by_one_job_and_not_by_all(note, shop, ask, provider):
    """Only a start tells whether there is quota again: listing models always works."""
    jobs = [submit(shop) for _ in range(5)]
    poor = ask(provider.base_url, "sk-quota")
    apply(carry(poor, claim(jobs[0])))

    wake_all()
    probe_now()
    turn(poor, 5)
    assert Attempt.objects.filter(failure_class="quota").count() == 2
    assert Attempt.objects.count() == 2
    assert Pause.objects.get().ended_at is None

    wake_all()
    assert claim(*jobs) == []  # until the next try, half a minute later


def test_a_quota_that_is_there_again_ends_the_pause(note, shop, ask, provider):
    jobs = [submit(shop) for _ in range(3)]
    apply(carry(ask(provider.base_url, "sk-quota"), claim(*jobs)))
    courier = ask(provider.base_url)
    turn(courier, 0)
    assert Pause.objects.get().ended_at is None  # no cheap call ends it
    probe_now()
    for job in jobs:
        bring_to("awaiting_review", job, courier)
    assert Pause.objects.get().ended_at


def test_a_person_s_pause_is_tried_by_nobody(note, shop, ask, provider):
    jobs = [submit(shop) for _ in range(2)]
    apply(carry(ask(provider.base_url, "sk-quota"), claim(jobs[0])))
    now = timezone.now()
    Pause.objects.create(scope="starts", reason="person", actor="olivia", began_at=now)
    Pause.objects.filter(reason="quota").update(probe_at=now)
    assert claim(*jobs) == []


def test_a_job_that_is_refused_with_a_good_key_is_at_fault_itself(note, shop, scripted):
    """Or it would pause everything for ever: a model, say, that the key may not use."""
    courier = scripted(*[error(403)] * 4)
    job = submit(shop)
    for refusals in range(1, 5):
        apply(carry(courier, claim(job)))
        Pause.objects.update(ended_at=timezone.now())  # the key itself proved good
        assert job.attempts.count() == refusals
    job.refresh_from_db()
    assert (job.status, job.failure_class) == ("failed", "auth")


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


def test_a_run_that_ends_for_want_of_quota_pauses_starts_as_a_refusal_does(
    note, shop, scripted
):
    broke = response("failed", error={"code": "insufficient_quota", "message": "No."})
    job = submit(shop)
    apply(carry(scripted(broke), claim(job)))
    pause = Pause.objects.get()
    assert (pause.scope, pause.reason, pause.note) == ("starts", "quota", "No.")
    assert job.attempts.get().tries == 0


def test_a_quota_outage_costs_no_job_its_life(note, shop, scripted):
    job = submit(shop)
    courier = scripted(*[error(429, "insufficient_quota")] * 2)
    apply(carry(courier, claim(job)))
    first = job.attempts.get()
    many = [
        Attempt(job=job, number=n, created_at=first.created_at) for n in range(9, 299)
    ]
    for attempt in many:
        attempt.ended_at, attempt.failure_class = first.ended_at, "quota"
    Attempt.objects.bulk_create(many)
    probe_now()
    apply(carry(courier, claim(job)))
    job.refresh_from_db()
    assert job.status == "queued"


@pytest.mark.parametrize(("age", "wait"), [(1, 30), (600, 60), (86_400, 600)])
def test_a_long_pause_is_tried_less_and_less_often(db, age, wait):
    now = timezone.now()
    Pause.objects.create(
        **{"scope": "starts", "reason": "auth", "actor": "system", "note": "No."},
        began_at=now - timedelta(seconds=age),
        probe_at=now,
    )
    (pause,) = claim_probes()
    pause.refresh_from_db()
    assert abs((pause.probe_at - now).total_seconds() - wait) < 5


def test_a_key_that_may_not_list_models_may_still_start(db):
    now = timezone.now()
    pause = Pause.objects.create(
        scope="starts", reason="auth", actor="system", began_at=now, probe_at=now
    )
    note_probe(pause, ProviderFault("No.", phase=Phase.PROBE, http_status=401))
    assert Pause.objects.active().exists()
    note_probe(pause, ProviderFault("No.", phase=Phase.PROBE, http_status=403))
    assert not Pause.objects.active().exists()


def test_managers_pause_and_resume_new_starts(note, shop, olivia, client):
    max_ = person("max", "Managers")
    job = submit(shop)
    client.force_login(olivia)
    url = "/admin/jobs/pause/add/"
    assert client.post(url, {"note": "Budget"}).status_code == 403

    client.force_login(max_)
    client.post(url, {"note": "Budget"})
    assert claim(job) == []
    assert "paused (Budget)" in explain(job).sentence
    assert client.post(url, {"note": "Twice"}).status_code == 200  # says it is so
    pause = Pause.objects.get()
    assert (pause.reason, pause.actor) == ("person", "max")
    chosen = {"action": "end_selected", "_selected_action": [pause.pk]}
    client.post("/admin/jobs/pause/", chosen)
    assert len(claim(job)) == 1


def test_a_pause_of_deliveries_is_not_ended_as_one_of_starts(db):
    max_ = person("max", "Managers")
    pause = Pause.objects.create(
        scope="deliveries", reason="person", actor="max", began_at=timezone.now()
    )
    with pytest.raises(MoveRefused, match="see their pages"):
        resume_starts(pause, by=max_)
