"""The doctor: finds each broken rule, says what to do, and mends what is safe."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection
from django.test import Client
from django.utils import timezone
from django_q.models import Schedule

from jobs import queue
from jobs.doctor import checks, visit
from jobs.doctor.checks import About, all_checks, job_name
from jobs.doctor.visit import daily, examine
from jobs.models import (
    Attempt,
    Finding,
    Job,
    JobEvent,
    Pause,
    StartLimit,
    Sweep,
    WebhookReceipt,
)
from jobs.services.verify import broken_links
from reviews.models import Decision, DeliveryAttempt, Destination, Review
from reviews.services.decide import approve
from reviews.services.sending import claim_deliveries
from tests import test_thread_doctor
from tests.house import (
    bring_to,
    courier_to,
    job_type,
    mailbox,
    person,
    program,
    seen,
    send_due,
    submit,
    webhook,
)

LONG_AGO = timedelta(hours=3)


@dataclass
class World:
    """A job in each place where something can break."""

    queued: Job
    running: Job
    waiting: Job
    approved: Job
    delivered: Job

    def now(self, name: str) -> Job:
        return Job.objects.get(pk=getattr(self, name).pk)


@pytest.fixture(scope="module")
def standing_world(standing, provider_server, make_httpserver) -> World:
    make_httpserver.expect_request("/desk").respond_with_data("thanks")
    note, shop, ann = job_type(), program(), person("ann", "Reviewers")
    webhook(make_httpserver.url_for("/desk"), note)
    jobs = [submit(shop) for _ in range(3)]
    with courier_to(provider_server) as courier:
        waiting, approved, delivered = (
            bring_to("awaiting_review", job, courier) for job in jobs
        )
    for job in (delivered, approved):
        review = Review.objects.get(job=job)
        approve(review, by=ann, seen=seen(review), comment="Good.")
        if job is delivered:
            send_due()
    running = submit(shop)
    begun = running.attempts.create(number=1, created_at=timezone.now())
    running.move("running", wake_at=timezone.now())
    begun.response_id, begun.accepted_at = "resp_running", begun.created_at
    begun.save()
    return World(submit(shop), running, waiting, approved, delivered)


@pytest.fixture
def world(standing_world, db, httpserver) -> World:
    httpserver.expect_request("/desk").respond_with_data("thanks")
    return World(**{place: standing_world.now(place) for place in vars(standing_world)})


def rows_of(job: Job) -> Any:
    return Job.objects.filter(pk=job.pk)


def broken() -> dict[str, list[str]]:
    """The rules about rows that are broken, and at what."""
    found = examine(About.ROWS).found
    return {rule: [one.subject for one in all_] for rule, all_ in found.items() if all_}


def run(*arguments: str) -> tuple[int, str]:
    """What the command says, and with which exit code."""
    out = StringIO()
    try:
        call_command("doctor", *arguments, stdout=out)
    except SystemExit as end:
        return int(str(end.code)), out.getvalue()
    return 0, out.getvalue()


# ---- what is broken in each way ------------------------------------------------------


def two_open_attempts(world: World) -> Job:
    world.running.attempts.create(number=2, created_at=timezone.now())
    return world.running


def running_without_attempt(world: World) -> Job:
    world.running.attempts.update(ended_at=timezone.now(), wake_at=timezone.now())
    return world.running


def queued_yet_accepted(world: World) -> Job:
    now = timezone.now()
    world.queued.attempts.create(number=1, created_at=now, response_id="resp_queued")
    return world.queued


def answered_without_result(world: World) -> Job:
    Review.objects.filter(job=world.waiting).delete()
    world.waiting.results.get().citations.all().delete()
    world.waiting.results.all().delete()
    return world.waiting


def approved_hash_of_no_result(world: World) -> Job:
    world.approved.results.update(content_hash="0" * 64)
    return world.approved


def never_woken(world: World) -> Job:
    rows_of(world.queued).update(wake_at=None)
    return world.queued


def long_due(world: World) -> Job:
    rows_of(world.running).update(wake_at=timezone.now() - LONG_AGO)
    return world.running


def unsettled_for_long(world: World) -> Job:
    past = timezone.now() - timedelta(days=2)
    world.waiting.attempts.update(ended_at=past, settled_at=None, wake_at=past)
    return world.waiting


def lost_create(world: World) -> Job:
    past = timezone.now() - LONG_AGO
    world.queued.attempts.create(
        number=1, created_at=past, ended_at=past, failure_class="lost"
    )
    return world.queued


def copy_not_deleted(world: World) -> Job:
    past = timezone.now() - timedelta(days=2)
    rows_of(world.waiting).update(erased_at=past)
    world.waiting.attempts.update(delete_at=timezone.now() + LONG_AGO)
    return world.waiting


def broken_history(world: World) -> Job:
    JobEvent.objects.filter(job=world.waiting, seq=2).update(actor="eve")
    return world.waiting


def status_not_as_told(world: World) -> Job:
    rows_of(world.queued).update(status="requires_action")
    return world.queued


def review_missing(world: World) -> Job:
    world.waiting.reviews.update(closed_at=timezone.now())
    return world.waiting


def review_left_open(world: World) -> Job:
    world.approved.reviews.update(closed_at=None)
    return world.approved


def review_never_due(world: World) -> Job:
    rows_of(world.waiting).update(wake_at=None)
    return world.waiting


def approved_without_deliveries(world: World) -> Job:
    world.approved.deliveries.all().delete()
    return world.approved


def delivered_too_soon(world: World) -> Job:
    world.delivered.deliveries.update(status="failed")
    return world.delivered


def stuck_sending(world: World) -> Job:
    assert claim_deliveries(1)
    DeliveryAttempt.objects.update(started_at=timezone.now() - LONG_AGO)
    rows = world.approved.deliveries.filter(status="sending")
    rows.update(wake_at=timezone.now() + LONG_AGO)
    return world.approved


def delivery_long_due(world: World) -> Job:
    world.approved.deliveries.update(wake_at=timezone.now() - LONG_AGO)
    return world.approved


def sent_unapproved(world: World) -> Job:
    Decision.objects.filter(review__job=world.delivered).update(verdict="reject")
    return world.delivered


def sent_with_another_hash(world: World) -> Job:
    rows = Decision.objects.filter(review__job=world.delivered)
    rows.update(content_hash="0" * 64)
    return world.delivered


def request_not_as_approved(world: World) -> Job:
    delivery = world.approved.deliveries.get()
    delivery.request = delivery.request.replace("POST", "PUT")
    delivery.save()
    return world.approved


def request_of_another_decision(world: World) -> Job:
    world.approved.deliveries.update(request_hash="0" * 64)
    return world.approved


def deliveries_not_as_told(world: World) -> Job:
    world.approved.deliveries.update(status="refused")
    return world.approved


BROKEN_JOBS: list[tuple[str, Callable[[World], Job], bool]] = [
    ("two_open_attempts", two_open_attempts, False),
    ("running_without_attempt", running_without_attempt, False),
    ("queued_yet_accepted", queued_yet_accepted, True),
    ("answered_without_result", answered_without_result, False),
    ("approved_hash_of_no_result", approved_hash_of_no_result, False),
    ("never_woken", never_woken, True),
    ("long_due", long_due, False),
    ("unsettled_for_long", unsettled_for_long, False),
    ("lost_create", lost_create, False),
    ("copy_not_deleted", copy_not_deleted, False),
    ("broken_history", broken_history, False),
    ("status_not_as_told", status_not_as_told, False),
    ("review_missing", review_missing, True),
    ("review_left_open", review_left_open, True),
    ("review_never_due", review_never_due, True),
    ("approved_without_deliveries", approved_without_deliveries, False),
    ("delivered_too_soon", delivered_too_soon, False),
    ("stuck_sending", stuck_sending, True),
    ("delivery_long_due", delivery_long_due, False),
    ("sent_unapproved", sent_unapproved, False),
    ("sent_unapproved", sent_with_another_hash, False),
    ("request_not_as_approved", request_not_as_approved, False),
    ("request_not_as_approved", request_of_another_decision, False),
    ("deliveries_not_as_told", deliveries_not_as_told, False),
]
MENDABLE = [(rule, spoil) for rule, spoil, mendable in BROKEN_JOBS if mendable]


def test_nothing_is_found_where_nothing_is_wrong(world):
    assert broken() == {}


@pytest.mark.parametrize(
    ("rule", "spoil", "mendable"),
    BROKEN_JOBS,
    ids=[spoil.__name__ for _, spoil, _ in BROKEN_JOBS],
)
def test_each_broken_rule_is_found_at_its_job(rule, spoil, mendable, world, unguarded):
    job = spoil(world)

    (found,) = examine(About.ROWS).found[rule]

    assert found.subject.split(",")[0] == f"job {job.public_id}"
    assert found.sentence
    assert (found.repair is not None) == mendable


@pytest.mark.parametrize(("rule", "spoil"), MENDABLE)
def test_what_is_safe_is_mended_with_a_line_in_the_history(
    rule, spoil, world, unguarded
):
    job = spoil(world)

    diagnosis = visit.visit(repair=True)

    assert [name for name, _ in diagnosis.mended if name == rule]
    assert not any(diagnosis.found[check.rule] for check in all_checks(About.ROWS))
    job = rows_of(job).get()
    assert job.events.last().actor == "doctor"
    assert job.events.last().note
    assert broken_links(job) == []


@pytest.mark.parametrize(("rule", "spoil"), MENDABLE)
def test_what_others_mended_meanwhile_is_left_alone(rule, spoil, world, unguarded):
    spoil(world)
    (found,) = examine(About.ROWS).found[rule]
    assert found.repair()
    lines = JobEvent.objects.count()

    assert not found.repair()

    assert JobEvent.objects.count() == lines


def test_a_mended_review_can_be_decided_on(world, ann, unguarded):
    review_missing(world)
    visit.visit(repair=True)
    review = Review.objects.open().get(job=world.waiting)

    approve(review, by=ann, seen=seen(review))

    assert world.now("waiting").status == "approved"


def test_a_forgotten_job_is_woken_when_its_own_time_comes(world, unguarded):
    rows_of(world.queued).update(wake_at=None, status="requires_action")
    review_never_due(world)

    visit.visit(repair=True)

    assert world.now("queued").wake_at == world.queued.deadline_at
    assert world.now("waiting").wake_at == world.waiting.reviews.get().due_at


def test_a_mail_that_is_stuck_is_for_a_person(note, shop, ann, courier, unguarded):
    mailbox("desk@example.com", note)
    job = bring_to("awaiting_review", submit(shop), courier)
    review = Review.objects.get(job=job)
    approve(review, by=ann, seen=seen(review))
    stuck_sending(World(*5 * [job]))

    visit.visit(repair=True)
    send_due()

    assert job.deliveries.get().status == "uncertain"


def test_a_paused_job_is_not_overlooked(world):
    rows_of(world.queued).update(wake_at=timezone.now() - LONG_AGO)
    Pause.objects.create(
        scope=Pause.STARTS,
        reason="quota",
        actor="system",
        began_at=timezone.now(),
        probe_at=timezone.now(),
    )
    assert broken() == {}

    world.running.attempts.update(created_at=timezone.now())
    long_due(world)

    assert list(broken()) == ["long_due"]


def test_a_limited_job_is_not_overlooked(world):
    rows_of(world.queued).update(wake_at=timezone.now() - LONG_AGO)
    StartLimit.objects.create(most_running=1)

    assert broken() == {}


def all_paused(to: Destination) -> None:
    now = timezone.now()
    Pause.objects.create(scope="deliveries", reason="person", actor="a", began_at=now)


def its_destination_paused(to: Destination) -> None:
    now = timezone.now()
    Pause.objects.create(scope=to.pause_scope, reason="person", actor="a", began_at=now)


def its_destination_resting(to: Destination) -> None:
    Destination.objects.filter(pk=to.pk).update(failures=4)


@pytest.mark.parametrize(
    "hold", [all_paused, its_destination_paused, its_destination_resting]
)
def test_deliveries_that_are_held_back_are_not_overlooked(hold, world):
    delivery_long_due(world)
    assert list(broken()) == ["delivery_long_due"]

    hold(Destination.objects.get())

    assert broken() == {}


def test_a_lost_create_that_was_adopted_is_found(world):
    job = lost_create(world)
    job.attempts.create(
        number=2,
        created_at=timezone.now(),
        reason=Attempt.Reason.ADOPTED,
        follows=job.attempts.get(),
    )

    assert "lost_create" not in broken()


# ---- pauses and receipts -----------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "probe", "age", "found", "mendable"),
    [
        ("auth", None, timedelta(minutes=1), True, True),
        ("auth", timedelta(hours=1), timedelta(hours=1), True, False),
        ("auth", timedelta(0), timedelta(days=30), False, False),
        ("quota", timedelta(hours=1), timedelta(hours=1), False, False),
        ("person", None, timedelta(days=8), True, False),
        ("person", None, timedelta(days=6), False, False),
    ],
)
def test_a_pause_that_nobody_tries_to_end_is_told(
    reason, probe, age, found, mendable, db
):
    pause(reason, probe, age)

    diagnosis = examine(About.ROWS)

    told = diagnosis.found["stale_pause"]
    assert len(told) == found
    assert any(one.repair for one in told) == mendable
    visit.mend(diagnosis)
    assert (Pause.objects.get().probe_at is None) == (reason == "person")


def test_a_quota_is_to_be_tried_while_a_job_waits_for_it(note, shop):
    pause("quota", timedelta(hours=1), timedelta(hours=1))
    submit(shop)

    assert len(examine(About.ROWS).found["stale_pause"]) == 1


def pause(reason: str, probe: timedelta | None, age: timedelta) -> None:
    now = timezone.now()
    Pause.objects.create(
        scope=Pause.STARTS,
        reason=reason,
        actor="someone",
        began_at=now - age,
        probe_at=None if probe is None else now - probe,
    )


@pytest.mark.parametrize(
    ("late", "found"), [(None, False), (LONG_AGO, True), (timedelta(0), False)]
)
def test_a_receipt_that_nobody_looks_at_is_told(late, found, db):
    now = timezone.now()
    WebhookReceipt.objects.create(
        webhook_id="wh_1",
        type="response.completed",
        response_id="resp_1",
        received_at=now,
        outcome=WebhookReceipt.Outcome.WAITS,
        wake_at=None if late is None else now - late,
    )

    assert len(examine(About.ROWS).found["receipt_waits"]) == found


# ---- the house ---------------------------------------------------------------------


def house() -> dict[str, list[str]]:
    found = examine(About.HOUSE).found
    return {rule: [one.subject for one in all_] for rule, all_ in found.items() if all_}


@pytest.fixture
def well_kept(db) -> None:
    """Schedules, and a sign of life of each lane."""
    queue.ensure_schedules(lanes=1)
    for lane in (Sweep.PROVIDER, Sweep.OUTBOX):
        sweep(lane, timedelta(seconds=1))


def sweep(lane: str, age: timedelta) -> Sweep:
    at = timezone.now() - age
    return Sweep.objects.create(lane=lane, host="a", pid=1, started_at=at, beat_at=at)


def test_a_well_kept_house_has_no_findings(well_kept):
    assert house() == {}


def test_missing_and_wrong_schedules_are_told_and_made_anew(well_kept):
    Schedule.objects.filter(name="outbox 1").delete()
    Schedule.objects.filter(name="sweep 1").update(minutes=5)
    Schedule.objects.create(name="sweep 7", func="jobs.sweep.sweep")
    names = {"outbox 1", "sweep 1", "sweep 7"}
    assert {*house()["schedule_wrong"]} == {f"schedule {name}" for name in names}

    visit.visit(repair=True)

    assert house() == {}


def test_the_daily_visit_is_a_schedule_and_is_not_started_at_once(db):
    queue.ensure_schedules(lanes=2)
    daily_one = Schedule.objects.get(name="doctor 1")
    every_minute = Schedule.objects.filter(minutes=1).values_list("name", flat=True)

    assert {*every_minute} == {"sweep 1", "sweep 2", "outbox 1", "reminders 1"}
    assert (daily_one.minutes, daily_one.cluster) == (24 * 60, queue.DEFAULT)
    assert daily_one.intended_date_kwarg is None


def test_a_silent_cluster_is_told(well_kept):
    Sweep.objects.filter(lane=Sweep.OUTBOX).delete()
    Sweep.objects.update(beat_at=timezone.now() - timedelta(minutes=3))

    assert house() == {"cluster_silent": ["lane provider", "lane outbox"]}


def test_a_sweep_that_died_is_ended_and_a_living_one_is_not(well_kept):
    dead = sweep(Sweep.PROVIDER, timedelta(minutes=6))
    assert house() == {"sweep_died": [f"sweep {dead.pk}"]}

    visit.visit(repair=True)

    assert house() == {}
    assert Sweep.objects.filter(ended_at=None).count() == 2


def test_missing_migrations_are_told(well_kept, unguarded):
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'axes'")

    assert house() == {"migrations_missing": ["database"]}


@pytest.mark.parametrize(
    ("provider", "key", "found"),
    [("openai", "", True), ("", "sk-x", True), ("sandbox", "", False)],
)
def test_a_provider_that_cannot_be_asked_is_told(
    provider, key, found, well_kept, settings
):
    settings.PROVIDER, settings.OPENAI_API_KEY = provider, key

    assert ("provider_not_set" in house()) == found


# ---- large tables are read in turns --------------------------------------------------


def test_old_histories_have_their_turn_and_new_ones_are_read_every_day(
    note, shop, monkeypatch
):
    monkeypatch.setattr(checks, "SHARE", 4)
    jobs = [submit(shop) for _ in range(9)]
    read = []
    for day in range(5):
        scope = checks.Scope(timezone.now() + timedelta(days=day), 100)
        part = scope.part_of(Job.objects.order_by("pk"), checks.Q(pk__in=[]))
        read.append({jobs.index(job) for job in part})

    assert all(len(part) <= 4 and {7, 8} <= part for part in read)
    assert set().union(*read) == set(range(9))
    whole = checks.Scope(timezone.now(), 100, whole=True)
    assert whole.part_of(Job.objects.all(), checks.Q(pk__in=[])).count() == 9


def test_what_was_broken_is_looked_at_again_out_of_turn(
    note, shop, monkeypatch, unguarded
):
    first = submit(shop)
    JobEvent.objects.filter(job=first).update(actor="eve")
    daily()
    monkeypatch.setattr(checks, "SHARE", 2)
    for _ in range(4):
        submit(shop)

    for _ in range(2):
        daily()
        assert Finding.objects.open().filter(rule="broken_history").count() == 1


def test_of_one_rule_only_so_many_are_told_and_none_of_them_counts_as_gone(
    note, shop, monkeypatch
):
    monkeypatch.setattr(visit, "MOST", 2)
    for _ in range(3):
        submit(shop)
    Job.objects.update(wake_at=timezone.now() - LONG_AGO)
    daily()
    first = Job.objects.order_by("wake_at").first()
    Job.objects.update(wake_at=timezone.now() - LONG_AGO)
    rows_of(first).update(wake_at=timezone.now() - timedelta(minutes=6))

    code, said = run()

    assert code == 1
    assert "... and more" in said
    told = Finding.objects.filter(rule="long_due")
    assert told.count() == told.open().count()


# ---- findings ----------------------------------------------------------------------


def test_a_finding_is_kept_with_when_it_was_first_seen_last_seen_and_gone(
    world, unguarded
):
    long_due(world)
    daily()
    (first,) = Finding.objects.filter(rule="long_due")

    daily()
    (again,) = Finding.objects.filter(rule="long_due")
    assert again.found_at == first.found_at
    assert again.seen_at > first.seen_at
    assert again.gone_at is None

    rows_of(world.running).update(wake_at=timezone.now())
    daily()
    (gone,) = Finding.objects.filter(rule="long_due")
    assert gone.gone_at is not None

    long_due(world)
    daily()
    assert Finding.objects.filter(rule="long_due").count() == 2
    assert Finding.objects.open().filter(rule="long_due").count() == 1


def test_a_daily_visit_mends_nothing(world, unguarded):
    never_woken(world)

    assert daily()["found"]

    assert world.now("queued").wake_at is None
    assert Finding.objects.get(rule="never_woken").can_repair


# ---- the command -------------------------------------------------------------------


def test_nothing_found_is_said_and_is_exit_code_0(well_kept, world):
    code, said = run()

    assert (code, said) == (
        0,
        "Nothing found.\nThe histories of 5 of 5 jobs were read.\n",
    )


def test_each_finding_is_one_line_under_its_rule(well_kept, world, unguarded):
    job = never_woken(world)

    code, said = run()

    assert code == 1
    assert said.splitlines() == [
        "never_woken:",
        f"  job {job.public_id}: It is queued and nothing will look at it: it is to be "
        "woken.",
        "Some of it can be mended: manage.py doctor --repair",
        "The histories of 5 of 5 jobs were read.",
    ]


def test_a_hostile_name_makes_no_second_line(well_kept):
    Pause.objects.create(
        scope="starts", reason="quota", note="a\nb", actor="x", began_at=timezone.now()
    )

    _, said = run()

    assert "starts paused: a b since" in said


def test_what_was_mended_is_said_and_is_exit_code_0(well_kept, world, unguarded):
    job = never_woken(world)

    code, said = run("--repair")

    assert code == 0
    assert said.startswith(f"mended: job {job.public_id}: It is queued")
    assert "Nothing found." in said


def test_programs_get_json(well_kept, world, unguarded):
    job = never_woken(world)

    code, said = run("--json", "--whole")

    assert code == 1
    (found,) = json.loads(said)["found"]
    assert found["rule"] == "never_woken"
    assert found["subject"] == f"job {job.public_id}"
    assert found["can_repair"] is True


def test_a_doctor_who_cannot_look_says_so_with_exit_code_2(db, monkeypatch):
    def fail(scope: checks.Scope) -> list[checks.Found]:
        raise DatabaseError("no such table")

    broken_check = checks.Check("x", About.ROWS, fail)
    monkeypatch.setitem(checks._checks, "x", broken_check)

    with pytest.raises(CommandError, match="could not look: no such table") as refusal:
        run()

    assert refusal.value.returncode == 2


# ---- where findings are shown --------------------------------------------------------


def test_statusz_tells_how_many_and_how_old(client, db):
    assert client.get("/statusz").json()["doctor"] == {
        "findings": 0,
        "seconds_since_visit": None,
    }

    daily()

    said = client.get("/statusz").json()["doctor"]
    assert said["findings"] == Finding.objects.open().count() > 0
    assert 0 <= said["seconds_since_visit"] < 60


def logged_in(*groups: str) -> Client:
    client = Client()
    client.force_login(person("paula", *groups))
    return client


@pytest.mark.parametrize("group", ["Operators", "Managers", "Auditors"])
def test_those_who_may_see_findings_see_them_and_change_nothing(group, db):
    daily()
    client = logged_in(group)

    page = client.get("/admin/jobs/finding/").content.decode()

    assert "No sign of life so far" in page
    assert client.get("/admin/jobs/finding/?state=open").status_code == 200
    assert "No sign of life" not in (
        client.get("/admin/jobs/finding/?state=gone").content.decode()
    )
    assert client.get("/admin/jobs/finding/add/").status_code == 403
    front = client.get("/admin/").content.decode()
    assert "Found by the doctor" in front
    assert "/admin/jobs/finding/" in front


def test_a_finding_leads_to_the_job_it_is_about(note, shop):
    job, now = submit(shop), timezone.now()
    subjects = [job_name(job), f"{job_name(job)}, attempt 1", f"job {uuid4()}", "job x"]
    for subject in subjects:
        told = {"sentence": "It is odd.", "found_at": now, "seen_at": now}
        Finding.objects.create(rule="odd", subject=subject, **told)
    page = logged_in("Operators").get("/admin/jobs/finding/").content.decode()

    link = f'<a href="/admin/jobs/job/{job.pk}/change/">{{}}</a>'
    assert [link.format(subject) in page for subject in subjects] == [
        *[True, True, False, False],
    ]
    assert all(subject in page for subject in subjects)


def test_reviewers_are_not_shown_findings(db):
    daily()
    client = logged_in("Reviewers")

    assert client.get("/admin/jobs/finding/").status_code == 403
    assert "/admin/jobs/finding/" not in client.get("/admin/").content.decode()


def test_the_front_page_is_silent_while_there_are_none(well_kept):
    assert "doctor" not in logged_in("Operators").get("/admin/").content.decode()


# ---- it is used by others ------------------------------------------------------------


def test_every_rule_about_rows_is_broken_here_once():
    rules = {check.rule for check in all_checks(About.ROWS)}

    known = {rule for rule, *_ in BROKEN_JOBS} | test_thread_doctor.RULES
    assert rules == known | {"stale_pause", "receipt_waits"}
