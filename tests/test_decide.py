"""Deciding: what an approval and a rejection change, and who is refused."""

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, transaction
from django.db.models import F

from jobs.explain import explain
from jobs.lifecycle import MoveRefused, job_moved
from jobs.models import Job, JobEvent
from jobs.models.event import EventNote
from jobs.services.cancel import cancel_job
from jobs.services.verify import broken_links
from jobs.sweep import turn
from reviews.models import (
    Decision,
    DecisionComment,
    Delivery,
    Destination,
    DestinationVersion,
    Review,
    ReviewPolicy,
)
from reviews.policy.terms import Terms
from reviews.services.decide import CommentNeeded, StalePage, approve, reject
from reviews.services.gate import why_not
from reviews.services.requests import TO_COME
from reviews.services.seen import what_is_seen
from tests.house import (
    bring_to,
    job_type,
    mailbox,
    person,
    seen,
    send_due,
    submit,
    webhook,
)

BOTH = pytest.mark.parametrize("decide", [approve, reject])
ELSEWHERE = "http://127.0.0.1:9/hook"  # nobody listens there
WHY = "The second claim has no source."


@pytest.fixture
def desk(note) -> Destination:
    return webhook(ELSEWHERE, note)


@pytest.fixture
def inbox(note) -> Destination:
    return mailbox("desk@example.com", note)


@contextmanager
def nothing_changes() -> Iterator[None]:
    """Not a row, not a column of all that a decision writes."""
    tables = (Job, JobEvent, Review, Decision, DecisionComment, Delivery)
    before = [list(table.objects.order_by("pk").values()) for table in tables]
    yield
    after = [list(table.objects.order_by("pk").values()) for table in tables]
    assert after == before


def policy(job: Job, **terms: Any) -> ReviewPolicy:
    return ReviewPolicy.objects.create(version=job.version, **terms)


def lines(job: Job, after: int = 4) -> list[tuple[Any, ...]]:
    """Its history since it came to its review."""
    rows = job.events.filter(seq__gt=after).order_by("seq")
    return list(rows.values_list("kind", "was", "became", "actor"))


def sha256_of(value: Any) -> str:
    """As a stranger would: of the JSON with sorted keys and no spaces."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


# ---- what a decision does --------------------------------------------------------


def test_an_approval_moves_the_job_and_closes_its_review(desk, inbox, review, ann):
    page = seen(review)

    decision = approve(review, by=ann, seen=page, comment="Checked.", via="api")

    job, review = Job.objects.get(), Review.objects.get()
    assert (job.status, job.wake_at) == ("approved", None)
    assert job.finished_at == review.closed_at is not None
    assert job.approved_hash == sha256_of(review.result.content)
    assert review.revision == 2
    decision.refresh_from_db()
    assert (decision.verdict, decision.by, decision.via) == ("approve", ann, "api")
    assert decision.result == job.latest_result
    assert decision.content_hash == job.approved_hash
    assert (decision.seen, decision.review_revision) == (page, 1)
    assert decision.comment == "Checked."


def test_an_approval_plans_one_delivery_for_each_destination(desk, inbox, review, ann):
    webhook(ELSEWHERE, job_type("other"), name="not of this type")
    off = webhook(ELSEWHERE, review.job.version.job_type, name="switched off")
    Destination.objects.filter(pk=off.pk).update(is_active=False)

    decision = approve(review, by=ann, seen=seen(review))

    planned = list(Delivery.objects.order_by("pk"))
    assert [delivery.destination for delivery in planned] == [desk, inbox]
    assert decision.request_hashes == [delivery.request_hash for delivery in planned]
    for delivery in planned:
        version, request = delivery.destination_version, json.loads(delivery.request)
        assert version == delivery.destination.current
        assert delivery.request_hash == sha256_of([version.pk, request])
        assert delivery.decision == decision
        assert delivery.result == review.result
        assert (delivery.status, delivery.tries) == ("pending", 0)
        assert delivery.wake_at == decision.at


def test_the_history_tells_of_the_approval_and_of_each_delivery(
    desk, inbox, review, ann
):
    approve(review, by=ann, seen=seen(review), comment="Checked.")

    assert lines(review.job) == [
        ("status", "awaiting_review", "approved", "ann"),
        ("delivery", "", "pending", "ann"),
        ("delivery", "", "pending", "ann"),
    ]
    assert review.job.events.get(became="approved").note == "Checked."
    assert broken_links(Job.objects.get()) == []


def test_what_is_sent_is_what_was_shown_with_author_and_time_filled_in(
    desk, inbox, review, ann
):
    shown = {r.destination: r.stored for r in what_is_seen(review).requests}

    decision = approve(review, by=ann, seen=seen(review))

    at = re.escape(decision.at.isoformat())
    filled_in = f"(?:ann|{at}|{decision.reference})"
    for delivery in Delivery.objects.all():
        pieces = shown[delivery.destination].split(TO_COME)
        assert len(pieces) > 2
        assert re.fullmatch(filled_in.join(map(re.escape, pieces)), delivery.request)


def test_an_approval_without_destinations_sends_nothing(review, ann):
    decision = approve(review, by=ann, seen=seen(review))

    assert Job.objects.get().status == "approved"
    assert decision.request_hashes == []
    assert not Delivery.objects.exists()


def test_a_rejection_moves_the_job_and_plans_nothing(desk, inbox, review, ann):
    decision = reject(review, by=ann, seen=seen(review), comment=WHY)

    job, review = Job.objects.get(), Review.objects.get()
    assert (job.status, job.approved_hash) == ("rejected", "")
    assert job.finished_at == review.closed_at is not None
    assert lines(job) == [("status", "awaiting_review", "rejected", "ann")]
    assert job.events.get(became="rejected").note == WHY
    decision.refresh_from_db()
    assert (decision.verdict, decision.comment) == ("reject", WHY)
    assert decision.content_hash == review.result.content_hash
    assert decision.request_hashes == []
    assert not Delivery.objects.exists()
    assert broken_links(job) == []


def test_a_rejected_job_sends_nothing_ever(httpserver, note, review, ann, courier):
    webhook(f"http://127.0.0.1:{httpserver.port}/", note)
    reject(review, by=ann, seen=seen(review), comment=WHY)

    for years in (0, 1, 10):
        with time_machine.travel(review.due_at + timedelta(days=365 * years)):
            turn(courier, 0)
            send_due()

    job = Job.objects.get()
    assert job.status == "rejected"
    assert httpserver.log == []
    for status in Job.Status:
        with pytest.raises(MoveRefused):
            job.move(status, approved_hash="0" * 64)


# ---- words -----------------------------------------------------------------------


@pytest.mark.parametrize("comment", ["", "  ", "\n\t\N{NO-BREAK SPACE}"])
def test_a_rejection_needs_a_comment(review, ann, comment):
    with nothing_changes(), pytest.raises(CommentNeeded):
        reject(review, by=ann, seen=seen(review), comment=comment)


def test_a_comment_can_be_erased_while_its_decision_stands(review, ann):
    reject(review, by=ann, seen=seen(review), comment=WHY)

    DecisionComment.objects.all().delete()
    EventNote.objects.filter(text=WHY).delete()

    decision, job = Decision.objects.get(), Job.objects.get()
    assert (decision.verdict, decision.comment) == ("reject", "")
    assert job.events.get(became="rejected").note == ""
    assert broken_links(job) == []


@pytest.mark.both_databases
@pytest.mark.parametrize("how", ["update", "delete"])
def test_a_decision_is_never_changed(review, ann, how):
    decision = approve(review, by=ann, seen=seen(review))
    rows = Decision.objects.filter(pk=decision.pk)
    change = {"update": lambda: rows.update(verdict="reject"), "delete": rows.delete}

    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        change[how]()

    assert rows.get().verdict == "approve"


# ---- who may ---------------------------------------------------------------------


@BOTH
def test_only_who_has_the_right_decides(desk, review, decide):
    for group in ("Operators", "Managers", "Integrations", "Auditors"):
        outsider = person(group.lower(), group)
        with nothing_changes(), pytest.raises(PermissionDenied, match="decide_review"):
            decide(review, by=outsider, seen=seen(review), comment=WHY)


def test_a_reviewer_who_left_the_house_decides_no_more(review):
    gone = person("gus", "Reviewers", is_active=False)
    with nothing_changes(), pytest.raises(PermissionDenied):
        approve(review, by=gone, seen=seen(review))


@BOTH
def test_under_four_eyes_nobody_decides_on_the_own_job(note, courier, bob, decide):
    rita = person("rita", "Reviewers", "Operators")
    job = submit(rita)
    policy(job, four_eyes=True)
    review = bring_to("awaiting_review", job, courier).reviews.get()

    with nothing_changes(), pytest.raises(PermissionDenied, match="another person"):
        decide(review, by=rita, seen=seen(review), comment=WHY)

    assert decide(review, by=bob, seen=seen(review), comment=WHY).by == bob


def test_without_four_eyes_the_requester_may_decide(note, courier):
    rita = person("rita", "Reviewers", "Operators")
    review = bring_to("awaiting_review", submit(rita), courier).reviews.get()

    assert approve(review, by=rita, seen=seen(review)).by == rita


@BOTH
def test_only_members_of_the_policys_group_decide(note, shop, courier, ann, decide):
    job = submit(shop)
    policy(job, group=Group.objects.create(name="Legal"))
    review = bring_to("awaiting_review", job, courier).reviews.get()
    lawyer = person("lea", "Reviewers", "Legal")
    intern = person("ian", "Legal")

    for outsider in (ann, intern):
        with nothing_changes(), pytest.raises(PermissionDenied):
            decide(review, by=outsider, seen=seen(review), comment=WHY)

    assert decide(review, by=lawyer, seen=seen(review), comment=WHY).by == lawyer


# ---- a stale page ----------------------------------------------------------------


def move_house(desk: Destination) -> None:
    DestinationVersion(destination=desk, address=f"{ELSEWHERE}/new").save()


def switch_off(desk: Destination) -> None:
    Destination.objects.filter(pk=desk.pk).update(is_active=False)


def add_another(desk: Destination) -> None:
    webhook(ELSEWHERE, *desk.job_types.all(), name="another")


def take_away(desk: Destination) -> None:
    desk.job_types.clear()


def touch_the_review(desk: Destination) -> None:
    """As an edit does, a check or a verdict."""
    Review.objects.update(revision=F("revision") + 1)


@pytest.mark.parametrize(
    "meanwhile", [move_house, switch_off, add_another, take_away, touch_the_review]
)
def test_a_page_older_than_what_it_decides_on_is_refused(desk, review, ann, meanwhile):
    page = seen(review)
    meanwhile(desk)

    for decide in (approve, reject):
        with nothing_changes(), pytest.raises(StalePage, match="Look again"):
            decide(review, by=ann, seen=page, comment=WHY)

    review.refresh_from_db()
    assert approve(review, by=ann, seen=seen(review)).seen != page


@BOTH
def test_a_digest_of_something_else_is_refused(review, ann, decide):
    for page in ("", "0" * 64, "what?", review.result.content_hash):
        with nothing_changes(), pytest.raises(StalePage, match="Look again"):
            decide(review, by=ann, seen=page, comment=WHY)


def test_a_page_of_another_job_is_refused(note, shop, courier, review, ann):
    other = bring_to("awaiting_review", submit(shop), courier).reviews.get()
    assert other.result.content_hash == review.result.content_hash

    with nothing_changes(), pytest.raises(StalePage):
        approve(review, by=ann, seen=seen(other))


@pytest.mark.parametrize(
    ("first", "second"),
    [(approve, reject), (reject, approve), (approve, approve), (reject, reject)],
)
def test_who_comes_second_learns_who_was_first(desk, review, ann, bob, first, second):
    page = seen(review)
    decision = first(review, by=ann, seen=page, comment=WHY)

    told = f"ann was first: {decision.get_verdict_display()} at {decision.at:%H:%M:%S}"
    with nothing_changes(), pytest.raises(StalePage, match=told):
        second(review, by=bob, seen=page, comment=WHY)


@BOTH
def test_a_double_click_decides_once(desk, review, ann, decide):
    page = seen(review)
    decide(review, by=ann, seen=page, comment=WHY)

    with nothing_changes(), pytest.raises(StalePage, match="You have decided"):
        decide(review, by=ann, seen=page, comment=WHY)


def test_a_cancelled_job_is_not_decided_on(desk, review, ann, olivia):
    page = seen(review)
    cancel_job(Job.objects.get(), by=olivia)

    for decide in (approve, reject):
        with nothing_changes(), pytest.raises(StalePage, match="the job is cancelled"):
            decide(review, by=ann, seen=page, comment=WHY)

    assert Review.objects.get().closed_at is not None


# ---- terms and times -------------------------------------------------------------


def test_a_review_opens_with_the_policys_terms(note, shop, courier):
    job = submit(shop)
    legal = Group.objects.create(name="Legal")
    policy(job, hours=3, remind_hours=1, four_eyes=True, group=legal)

    job = bring_to("awaiting_review", job, courier)

    review = job.reviews.get()
    assert review.terms == Terms(hours=3, remind_hours=1, group="Legal", four_eyes=True)
    assert review.remind_at == review.opened_at + timedelta(hours=2)
    assert review.opened_at == job.events.get(became="awaiting_review").at
    assert review.due_at == job.wake_at == review.opened_at + timedelta(hours=3)
    assert (review.result, review.round) == (job.latest_result, 1)


def test_a_policy_beyond_all_dates_opens_reviews_that_end_within_a_year(review, ann):
    """Rows from before there was a most, whose reviews could not open."""
    job, far = review.job, 99_999_999
    ReviewPolicy.objects.create(
        version=job.version,
        hours=far,
        remind_hours=far,
        escalate_hours=far,
        escalate_to=Group.objects.create(name="Heads"),
        undo_seconds=far,
    )

    job.move("abandoned")
    job.move("awaiting_review")

    review = job.reviews.get(closed_at=None)
    assert review.due_at == review.opened_at + timedelta(days=366)
    assert review.remind_at == review.escalate_at == review.opened_at
    assert review.terms.undo_window == timedelta(days=1)


def test_without_a_policy_there_is_a_day(review):
    assert review.due_at == review.opened_at + timedelta(hours=24)
    assert review.terms == Terms()
    assert review.remind_at is None


def test_a_later_policy_does_not_reach_an_open_review(note, courier, ann):
    job = submit(person("rita", "Reviewers", "Operators"))
    terms = policy(job, hours=3)
    review = bring_to("awaiting_review", job, courier).reviews.get()
    legal = Group.objects.create(name="Legal")
    ReviewPolicy.objects.filter(pk=terms.pk).update(
        hours=1, four_eyes=True, group=legal
    )

    approve(review, by=job.requester, seen=seen(review))

    review.refresh_from_db()
    assert review.due_at == review.opened_at + timedelta(hours=3)


def test_a_review_in_time_is_left_alone_by_the_sweep(review, courier):
    in_time = review.due_at - timedelta(seconds=1)
    with time_machine.travel(in_time, tick=False), nothing_changes():
        turn(courier, 0)


def test_an_overdue_review_is_abandoned_never_approved(desk, review, courier, ann):
    page = seen(review)
    with time_machine.travel(review.due_at + timedelta(seconds=1), tick=False):
        turn(courier, 0)

    job, review = Job.objects.get(), Review.objects.get()
    assert lines(job) == [("status", "awaiting_review", "abandoned", "system")]
    assert job.finished_at == review.closed_at is not None
    assert not Decision.objects.exists()
    assert not Delivery.objects.exists()
    with nothing_changes(), pytest.raises(StalePage, match="the job is abandoned"):
        approve(review, by=ann, seen=page)


# ---- how it explains itself ------------------------------------------------------


def test_a_waiting_job_tells_who_owes_what_since_and_by_when(review):
    told = explain(review.job)

    assert f"by {review.due_at:%d %b %H:%M} UTC" in told.sentence
    assert (told.who, told.what) == ("reviewers", "decide")
    assert (told.since, told.by) == (review.opened_at, review.due_at)


def test_an_approved_job_tells_by_whom_when_and_what_is_owed(desk, review, ann):
    decision = approve(review, by=ann, seen=seen(review))

    told = explain(Job.objects.get())

    assert f"Approved by ann, {decision.at:%d %b %H:%M} UTC" in told.sentence
    assert "delivery to desk is pending" in told.sentence
    assert told.who == "system"
    assert told.by == decision.at


def test_a_delivered_job_tells_by_whom_when_and_where_it_went(
    httpserver, note, review, ann
):
    httpserver.expect_request("/").respond_with_data("")
    webhook(f"http://127.0.0.1:{httpserver.port}/", note)
    decision = approve(review, by=ann, seen=seen(review))
    send_due()

    job = Job.objects.get()
    told = explain(job).sentence

    assert job.status == "delivered"
    assert f"Approved by ann, {decision.at:%d %b %H:%M} UTC" in told
    assert f"delivered to desk, {job.finished_at:%d %b %H:%M} UTC" in told


def test_a_rejected_job_tells_by_whom_when_and_why(review, ann):
    decision = reject(review, by=ann, seen=seen(review), comment=WHY)

    told = explain(Job.objects.get())

    assert told.sentence == f"Rejected by ann, {decision.at:%d %b %H:%M} UTC: {WHY}"
    assert told.since == decision.review.job.finished_at


# ---- what is decided on is what is stored ------------------------------------------


def test_a_destination_that_changes_in_mid_approval_is_not_sent_to(review, desk, ann):
    """Its new address was not seen: what was seen is stored, and then refused."""
    seen_here = seen(review)

    def move_house(job: Job, **told: object) -> None:
        DestinationVersion(destination=desk, address="http://127.0.0.1:9/new").save()

    job_moved.connect(move_house, weak=False)
    try:
        decision = approve(review, by=ann, seen=seen_here)
    finally:
        job_moved.disconnect(move_house)

    (delivery,) = decision.deliveries.all()
    assert delivery.destination_version.number == 1
    assert delivery.request_hash in decision.request_hashes
    assert "changed since the approval" in why_not(delivery)


def test_a_destination_that_no_longer_takes_the_type_gets_nothing(review, desk, ann):
    decision = approve(review, by=ann, seen=seen(review))
    desk.job_types.clear()

    assert "no longer gets results of this type" in why_not(decision.deliveries.get())
