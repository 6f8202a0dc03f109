"""How a status changes: the table, the guard, the chain, and what databases refuse."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.utils import timezone

from jobs.lifecycle import (
    Line,
    Move,
    MoveRefused,
    add_events,
    chained,
    job_moved,
    move_all,
)
from jobs.models import Attempt, EventNote, Job, JobEvent, JobTypeVersion, Result
from jobs.services.verify import broken_links
from reviews.models import Decision, Delivery, DestinationVersion, Review
from reviews.services.decide import approve
from reviews.services.seen import what_is_seen
from tests.house import submit, webhook

pytestmark = pytest.mark.both_databases

# What may follow what, as DESIGN.md section 3 has it.
JOB_TABLE = """
queued           running
queued           failed, cancelled, expired
running          completed
running          requires_action
running          queued
running          failed, cancelled, expired
requires_action  queued, cancelled, expired, abandoned
completed        awaiting_review
awaiting_review  approved, rejected
awaiting_review  queued
awaiting_review  cancelled, abandoned
approved         delivered
approved         awaiting_review
failed           queued
cancelled        queued
expired          queued
abandoned        awaiting_review, requires_action
rejected
delivered
"""
JOB_OPEN = {"queued", "running", "requires_action", "awaiting_review"}

DELIVERY_TABLE = """
pending    sending, refused, withdrawn
sending    delivered, pending, failed, uncertain, refused
failed     pending, withdrawn
uncertain  pending, delivered, withdrawn
refused    withdrawn
delivered
withdrawn
"""
DELIVERY_OPEN = {"pending", "sending"}

HASH = "a" * 64
counter = itertools.count()


def read(table: str) -> dict[str, set[str]]:
    moves: dict[str, set[str]] = {}
    for line in table.strip().splitlines():
        was, *became = line.replace(",", " ").split()
        moves.setdefault(was, set()).update(became)
    return moves


JOB_MOVES, DELIVERY_MOVES = read(JOB_TABLE), read(DELIVERY_TABLE)


@pytest.fixture
def make_job(note, shop) -> Callable[..., Job]:
    """Makes jobs that have an answer and stand at any status, without history."""

    def make(status: str = "queued") -> Job:
        now = timezone.now()
        job = Job.objects.create(
            version=note.current,
            requester=shop,
            created_at=now,
            deadline_at=now + timedelta(days=1),
            status=status,
            wake_at=now if status in JOB_OPEN else None,
            finished_at=None if status in JOB_OPEN else now,
            approved_hash=HASH if status in ("approved", "delivered") else "",
        )
        return answer(job)

    return make


def answer(job: Job) -> Job:
    now = timezone.now()
    attempt = job.attempts.create(number=1, created_at=now, ended_at=now)
    result = Result(job=job, number=1, attempt=attempt, created_at=now)
    result.set_content("An answer.")
    result.save()
    return job


@pytest.fixture
def decision(shop, ann, note) -> Decision:
    """An approval of an answer that goes to one destination."""
    webhook("https://desk.example/in", note)
    job = answer(submit(shop))
    for status in ("running", "completed", "awaiting_review"):
        job.move(status)
    review = Review.objects.get(job=job)
    return approve(review, by=ann, seen=what_is_seen(review).digest, comment="Fine.")


@pytest.fixture
def make_delivery(decision) -> Callable[[str], Delivery]:
    """Makes deliveries at any status, each to a destination of its own."""

    def make(status: str) -> Delivery:
        now = timezone.now()
        to = webhook("https://desk.example/in", name=f"desk {next(counter)}")
        return Delivery.objects.create(
            job=decision.review.job,
            result=decision.result,
            decision=decision,
            destination=to,
            destination_version=to.current,
            created_at=now,
            status=status,
            wake_at=now if status in DELIVERY_OPEN else None,
            finished_at=None if status in DELIVERY_OPEN else now,
        )

    return make


@pytest.fixture
def told_job(shop, note) -> Job:
    """A job with four lines of history, the second of them with a note."""
    job = submit(shop)
    job.move("running", actor="system", note="Accepted.")
    job.move("failed", actor="system")
    job.move("queued", actor="olivia")
    return job


def as_stored(row):
    return type(row).objects.get(pk=row.pk)


def fields_of(row) -> dict:
    return {f.attname: getattr(row, f.attname) for f in row._meta.concrete_fields}


# ---- the tables ------------------------------------------------------------------


def test_every_status_stands_in_the_tables():
    assert set(JOB_MOVES) == set(Job.Status.values)
    assert set(DELIVERY_MOVES) == set(Delivery.Status.values)


@pytest.mark.parametrize("was", JOB_MOVES)
def test_a_job_becomes_what_the_table_says_and_nothing_else(was, make_job):
    became = set()
    for to in JOB_MOVES:
        job = make_job(was)
        try:
            job.move(to, **({"approved_hash": HASH} if to == "approved" else {}))
        except MoveRefused:
            assert as_stored(job).status == was
            assert not job.events.exists()
        else:
            assert as_stored(job).status == job.status == to
            became.add(to)

    assert became == JOB_MOVES[was]


@pytest.mark.parametrize("was", DELIVERY_MOVES)
def test_a_delivery_becomes_what_the_table_says_and_nothing_else(was, make_delivery):
    became = set()
    for to in DELIVERY_MOVES:
        delivery = make_delivery(was)
        try:
            delivery.move(to)
        except MoveRefused:
            assert as_stored(delivery).status == was
        else:
            assert as_stored(delivery).status == delivery.status == to
            became.add(to)

    assert became == DELIVERY_MOVES[was]


# ---- the guard -------------------------------------------------------------------


def test_the_second_of_two_who_read_the_same_row_is_refused(make_job):
    job = make_job("awaiting_review")
    ann, bob = as_stored(job), as_stored(job)
    ann.move("approved", actor="ann", approved_hash=HASH)
    before = fields_of(bob)

    with pytest.raises(MoveRefused, match="someone else moved it first"):
        bob.move("rejected", actor="bob", note="No.", failure_code="x")

    assert fields_of(bob) == before
    assert fields_of(as_stored(job)) == fields_of(ann)
    assert [event.actor for event in job.events.all()] == ["ann"]


def test_whoever_comes_late_is_told_where_the_job_is(make_job):
    job = make_job("rejected")
    before = fields_of(job)

    with pytest.raises(MoveRefused, match="is rejected: it cannot become approved"):
        job.move("approved", actor="bob", approved_hash=HASH)

    assert fields_of(job) == fields_of(as_stored(job)) == before


@pytest.mark.parametrize("to", ["failed", "cancelled", "expired"])
def test_an_end_has_its_time_and_is_never_woken(to, make_job):
    job = make_job("running")
    job.move(to, wake_at=timezone.now())  # which an end overrules

    assert job.wake_at is None
    assert job.finished_at == job.events.get().at
    assert fields_of(as_stored(job)) == fields_of(job)


def test_a_job_that_goes_on_has_no_end_and_is_due_at_once(make_job):
    job = make_job("failed")
    job.move("queued")

    assert job.finished_at is None
    assert job.wake_at == job.events.get().at
    assert fields_of(as_stored(job)) == fields_of(job)


def test_a_move_may_say_when_to_look_again_and_change_more(make_job):
    job, later = make_job("queued"), timezone.now() + timedelta(hours=1)
    job.move("running", wake_at=later, steps=3)

    stored = as_stored(job)
    assert (stored.wake_at, stored.steps) == (later, 3) == (job.wake_at, job.steps)


def test_every_move_counts_as_one_revision(make_job):
    job = make_job("queued")
    for count, to in enumerate(["running", "queued", "cancelled"], start=1):
        job.move(to)
        assert job.revision == as_stored(job).revision == count


# ---- many at once ----------------------------------------------------------------


def test_moves_are_made_together_whatever_the_rows_were(make_job):
    jobs = [make_job("queued"), make_job("running"), make_job("queued")]
    move_all([Move(job, "cancelled", note=f"no. {job.pk}") for job in jobs])

    for job, was in zip(jobs, ["queued", "running", "queued"], strict=True):
        assert as_stored(job).status == job.status == "cancelled"
        event = job.events.get()
        assert (event.was, event.became, event.note) == (
            was,
            "cancelled",
            f"no. {job.pk}",
        )


def moved_by_another(jobs: list[Job]) -> None:
    as_stored(jobs[1]).move("cancelled", actor="bob")


def at_a_place_of_no_return(jobs: list[Job]) -> None:
    jobs[1].move("completed", actor="bob")


@pytest.mark.parametrize("spoil", [moved_by_another, at_a_place_of_no_return])
def test_moves_are_made_together_or_not_at_all(spoil, make_job):
    # The groups of an UPDATE go by status: the first one succeeds before the second.
    jobs = [make_job("queued"), make_job("running"), make_job("queued")]
    spoil(jobs)
    before = [fields_of(job) for job in jobs]
    stored = [fields_of(as_stored(job)) for job in jobs]

    with pytest.raises(MoveRefused):
        move_all([Move(job, "cancelled") for job in jobs], actor="ann")

    assert [fields_of(job) for job in jobs] == before
    assert [fields_of(as_stored(job)) for job in jobs] == stored
    assert not JobEvent.objects.filter(actor="ann").exists()


def test_no_move_is_no_trouble(db):
    move_all([])
    assert not JobEvent.objects.exists()


# ---- the signal ------------------------------------------------------------------


@contextmanager
def listening(receiver: Callable) -> Iterator[None]:
    job_moved.connect(receiver)
    try:
        yield
    finally:
        job_moved.disconnect(receiver)


def test_a_move_of_a_job_is_announced_inside_its_transaction(make_job):
    heard = []

    def hear(job, event, **kwargs):
        heard.append((job, event.became, as_stored(job).status))
        assert connection.in_atomic_block

    job = make_job("queued")
    with listening(hear):
        job.move("running")

    assert heard == [(job, "running", "running")]


def test_a_listener_that_fails_undoes_the_move(make_job):
    def fail(**kwargs):
        raise RuntimeError("no")

    job = make_job("queued")
    before = fields_of(job)
    with listening(fail), pytest.raises(RuntimeError):
        job.move("running")

    assert fields_of(job) == fields_of(as_stored(job)) == before
    assert not job.events.exists()


def test_a_move_of_a_delivery_is_history_and_moves_no_job(decision):
    heard = []

    def hear(**said):
        heard.append(said)

    job, delivery = decision.review.job, Delivery.objects.get(decision=decision)
    with listening(hear):
        delivery.move("sending", note="On its way.")

    event = job.events.last()
    assert (event.kind, event.was, event.became) == ("delivery", "pending", "sending")
    assert event.note == "On its way."
    assert heard == []
    assert broken_links(as_stored(job)) == []


# ---- the history -----------------------------------------------------------------


def test_each_move_leaves_one_line_that_says_all(make_job):
    job = make_job("queued")
    move_all([Move(job, "running", note="Accepted.", data={"try": 1})], actor="system")
    job.move("cancelled", actor="olivia", note="Not needed.")

    said = ["seq", "kind", "was", "became", "actor", "data"]
    assert list(job.events.values_list(*said)) == [
        (1, "status", "queued", "running", "system", {"try": 1}),
        (2, "status", "running", "cancelled", "olivia", {}),
    ]
    assert [e.note for e in job.events.all()] == ["Accepted.", "Not needed."]


def test_an_unbroken_history_is_found_whole(told_job):
    assert broken_links(told_job) == []
    assert told_job.events.count() == len(set(told_job.events.values_list("digest")))
    call_command("verify", str(told_job.public_id))


def test_the_same_words_have_another_digest_in_another_job(make_job):
    at, jobs = timezone.now(), [make_job(), make_job()]
    for job in jobs:
        said = [Line(job.history, "said"), Line(job.history, "said", "Yes.")]
        add_events(said, actor="ann", now=at)
    (first, noted), (other, noted_too) = (job.events.all() for job in jobs)

    assert first.digest != other.digest
    # Salted, or equal notes could be told from their hashes after they were erased.
    assert noted.note_digest != noted_too.note_digest


def test_a_note_can_be_erased_and_the_chain_still_holds(told_job):
    noted = told_job.events.get(seq=2)
    assert noted.note == "Accepted."

    EventNote.objects.filter(event=noted).delete()

    assert told_job.events.get(seq=2).note == ""
    assert broken_links(told_job) == []


def behind_the_back(sql: str) -> None:
    """Run it as one could who owns the database: with the triggers lifted."""
    if connection.vendor == "postgresql":
        table = "ALTER TABLE jobs_jobevent"
        run(f"{table} DISABLE TRIGGER USER", sql, f"{table} ENABLE TRIGGER USER")
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        triggers = dict(cursor.fetchall())
    run(*(f"DROP TRIGGER {name}" for name in triggers), sql, *triggers.values())


CHANGED = "Event 2 was changed"
TAMPERINGS = {
    "who did it": ("UPDATE {events} SET actor = 'mallory' WHERE seq = 2", CHANGED),
    "when": ("UPDATE {events} SET at = '2020-01-01 00:00:00Z' WHERE seq = 2", CHANGED),
    "what it became": ("UPDATE {events} SET became = 'x' WHERE seq = 2", CHANGED),
    "its data": ("UPDATE {events} SET data = '[7]' WHERE seq = 2", CHANGED),
    "its note": ("UPDATE jobs_eventnote SET text = 'No.'", "The note of event 2 was"),
    "the hash of it": ("UPDATE {events} SET note_digest = '' WHERE seq = 2", CHANGED),
    "one taken out": ("DELETE FROM {events} WHERE seq = 3", "Event 3 is missing"),
    "the last taken out": ("DELETE FROM {events} WHERE seq = 4", "ends at failed, not"),
    "their order": ("UPDATE {events} SET seq = 9 WHERE seq = 3", "Event 3 is missing"),
    "one added": (
        "INSERT INTO {events} (job_id, seq, kind, was, became, actor, data, at,"
        " note_digest, digest) SELECT job_id, 5, kind, became, 'failed', actor, data,"
        " at, note_digest, digest FROM {events} WHERE seq = 4",
        "Event 5 was changed",
    ),
    "the job itself": ("UPDATE jobs_job SET status = 'running'", "ends at queued, not"),
}


@pytest.mark.parametrize("what", TAMPERINGS)
def test_what_was_tampered_with_is_found(what, told_job):
    sql, complaint = TAMPERINGS[what]
    behind_the_back(sql.format(events="jobs_jobevent"))
    job = as_stored(told_job)

    assert complaint in " ".join(broken_links(job))
    with pytest.raises(CommandError, match=complaint):
        call_command("verify", str(job.public_id))


def test_who_computes_a_digest_anew_is_found_at_the_next_event(told_job):
    first, forged = told_job.events.all()[:2]
    forged.actor = "mallory"
    digest = chained(forged, first.digest)

    behind_the_back(
        f"UPDATE jobs_jobevent SET actor = 'mallory', digest = '{digest}'"
        f" WHERE id = {forged.pk}"
    )

    (complaint,) = broken_links(told_job)
    assert "Event 3 was changed" in complaint


def test_who_computes_the_last_digest_anew_must_tell_one_story(told_job):
    before, forged = told_job.events.all()[2:]
    forged.was = "running"
    digest = chained(forged, before.digest)

    behind_the_back(
        f"UPDATE jobs_jobevent SET was = 'running', digest = '{digest}'"
        f" WHERE id = {forged.pk}"
    )

    assert broken_links(told_job) == ["Event 4 leaves running, not failed."]


# ---- what the database refuses, whoever writes -----------------------------------


def nonsense(rows):
    rows.update(status="nonsense")


def open_with_an_end(rows):
    rows.update(finished_at=timezone.now())


def open_but_never_woken(rows):
    rows.update(wake_at=None)


def ended_without_a_time(rows):
    rows.update(finished_at=None)


def ended_but_woken(rows):
    rows.update(wake_at=timezone.now())


def at_its_end_by_name_only(rows):
    rows.update(status="failed")


STATUS_LIES = [
    *[("open", nonsense), ("final", nonsense)],
    *[("open", open_with_an_end), ("open", open_but_never_woken)],
    *[("final", ended_without_a_time), ("final", ended_but_woken)],
    ("open", at_its_end_by_name_only),
]


@pytest.mark.parametrize(("kind", "lie"), STATUS_LIES)
def test_no_job_is_stored_whose_status_and_times_disagree(kind, lie, make_job):
    job = make_job({"open": "queued", "final": "completed"}[kind])
    with pytest.raises(IntegrityError, match="job_"):
        lie(Job.objects.filter(pk=job.pk))


@pytest.mark.parametrize(("kind", "lie"), STATUS_LIES)
def test_no_delivery_is_stored_whose_status_and_times_disagree(
    kind, lie, make_delivery
):
    delivery = make_delivery({"open": "pending", "final": "failed"}[kind])
    with pytest.raises(IntegrityError, match="delivery_"):
        lie(Delivery.objects.filter(pk=delivery.pk))


@pytest.mark.parametrize("status", ["approved", "delivered"])
def test_no_job_is_approved_without_saying_what(status, make_job):
    job = make_job("completed")
    with pytest.raises(IntegrityError, match="job_approved_has_hash"):
        Job.objects.filter(pk=job.pk).update(status=status)


def test_an_approval_without_a_hash_is_undone_whole(make_job):
    job = make_job("awaiting_review")
    with pytest.raises(IntegrityError), transaction.atomic():
        job.move("approved")

    assert job.status == as_stored(job).status == "awaiting_review"
    assert not job.events.exists()


def test_a_job_has_one_open_attempt_at_the_most(make_job):
    job, now = make_job("running"), timezone.now()
    job.attempts.create(number=2, created_at=now)
    with pytest.raises(IntegrityError), transaction.atomic():
        job.attempts.create(number=3, created_at=now)

    job.attempts.update(ended_at=now)
    job.attempts.create(number=3, created_at=now)


def test_two_attempts_never_share_a_response(make_job):
    now = timezone.now()
    for _ in range(2):  # without a response there is nothing to share
        make_job().attempts.create(number=2, created_at=now)
    make_job().attempts.create(number=2, created_at=now, response_id="resp_1")
    with pytest.raises(IntegrityError):
        make_job().attempts.create(number=2, created_at=now, response_id="resp_1")


def test_an_attempt_that_ended_is_settled_or_will_be_asked_about(make_job):
    now = timezone.now()
    attempt = make_job("running").attempts.create(
        number=2, created_at=now, response_id="resp_1"
    )
    with pytest.raises(
        IntegrityError, match="attempt_ended_and_known_is_settled_or_woken"
    ):
        Attempt.objects.filter(pk=attempt.pk).update(ended_at=now)


def test_one_answer_goes_once_to_one_destination(make_delivery):
    with transaction.atomic():
        first = make_delivery("pending")
    copy = Delivery.objects.get(pk=first.pk)
    copy.pk, copy.uuid = None, HASH[:32]

    with pytest.raises(IntegrityError), transaction.atomic():
        copy.save(force_insert=True)

    first.move("withdrawn")
    copy.save(force_insert=True)


@pytest.mark.parametrize(
    ("model", "verbs"),
    [
        (JobEvent, ["UPDATE", "DELETE", "TRUNCATE"]),
        (Decision, ["UPDATE", "DELETE", "TRUNCATE"]),
        (JobTypeVersion, ["UPDATE"]),
        (DestinationVersion, ["UPDATE"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_only_ever_added_is_neither_changed_nor_removed(model, verbs, decision):
    table, key = model._meta.db_table, model._meta.pk.column
    statements = {
        "UPDATE": f"UPDATE {table} SET {key} = {key}",
        "DELETE": f"DELETE FROM {table}",
        "TRUNCATE": f"TRUNCATE {table} CASCADE",
    }
    before = list(model.objects.values())
    assert before
    for verb in verbs:
        if verb == "TRUNCATE" and connection.vendor == "sqlite":
            continue  # which has no such word
        refusal = pytest.raises(DatabaseError, match=f"{table} is append-only")
        with refusal, transaction.atomic():
            run(statements[verb])
    assert list(model.objects.values()) == before


def run(*statements: str) -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":  # else pending checks are in the way
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for statement in statements:
            cursor.execute(statement)
