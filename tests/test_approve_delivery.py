"""A decision of its own for one delivery that did not arrive as it was approved."""

import json
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, IntegrityError, transaction
from django.db.models import F

from jobs.explain import explain
from jobs.lifecycle import MoveRefused
from jobs.models import Job
from jobs.services.verify import broken_links
from reviews.models import (
    Decision,
    Delivery,
    Destination,
    DestinationVersion,
    ReviewPolicy,
)
from reviews.services.approve_delivery import approve_delivery, what_is_seen_anew
from reviews.services.decide import DecidedAlready, StalePage, approve
from reviews.services.edit import edit_result
from reviews.services.gate import why_not
from reviews.services.recall import recall_job
from reviews.services.withdraw import withdraw_delivery
from tests.deliveries import only_delivery, received
from tests.house import (
    bring_to,
    job_type,
    person,
    seen,
    send_due,
    submit,
    webhook,
    with_terms,
)
from tests.test_races import at_once, reviews_like, rounds


@pytest.fixture
def refused(desk, inbox, approval, at, httpserver) -> Delivery:
    """The mail has arrived; desk moved meanwhile, so its delivery was refused."""
    DestinationVersion(destination=desk, address=f"{at}/corrected").save()
    httpserver.expect_request("/corrected").respond_with_data("")
    send_due()
    return only_delivery(status="refused")


def look(delivery: Delivery) -> str:
    """What a page shown now would hand back."""
    return what_is_seen_anew(Delivery.objects.get(pk=delivery.pk)).digest


def test_it_sends_what_was_seen_in_the_place_of_what_was_refused(
    refused, httpserver, mailoutbox, ann, bob
):
    decision = approve_delivery(refused, by=bob, seen=look(refused), comment="Moved.")
    planned = decision.deliveries.get()

    refused.refresh_from_db()
    assert refused.status == "withdrawn"
    assert planned.decision.delivery == refused
    assert planned.decision.request_hashes == [planned.request_hash]
    assert planned.decision.comment == "Moved."
    assert why_not(planned) == ""
    send_due()
    (request,) = received(httpserver)
    assert request.path == "/corrected"
    assert request.data == json.loads(planned.request)["body"].encode()
    assert request.json["data"]["decision"]["by"] == "bob"
    assert request.headers["webhook-id"] == planned.webhook_id != refused.webhook_id
    job = Job.objects.get()
    assert job.status == "delivered"
    assert explain(job).sentence.startswith("Approved by ann")
    assert len(mailoutbox) == 1
    assert broken_links(job) == []


@pytest.mark.parametrize("status", ["failed", "withdrawn"])
def test_what_failed_or_was_withdrawn_can_be_replaced_too(
    desk, inbox, approval, ann, olivia, httpserver, status
):
    httpserver.clear()
    httpserver.expect_oneshot_request("/desk").respond_with_data(status=404)
    httpserver.expect_request("/desk").respond_with_data("")
    Destination.objects.filter(pk=inbox.pk).update(is_active=False)
    send_due()
    old = only_delivery(destination=desk)
    if status == "withdrawn":
        withdraw_delivery(old, by=olivia, reason="Not there.")

    approve_delivery(old, by=ann, seen=look(old))
    send_due()

    assert [d.status for d in desk.deliveries.order_by("pk")] == [
        "withdrawn",
        "delivered",
    ]


def test_the_same_person_may_decide_on_the_result_and_on_deliveries(refused, ann, bob):
    approve_delivery(refused, by=ann, seen=look(refused))

    review = refused.decision.review
    assert review.decisions.count() == 2
    people = review.decisions.on_the_result().values_list("by__username", flat=True)
    assert list(people) == ["ann"]


@pytest.mark.both_databases
def test_each_person_decides_once_on_the_result_and_once_on_a_delivery(refused, ann):
    approve_delivery(refused, by=ann, seen=look(refused))
    for decision in Decision.objects.all():
        decision.pk = None
        with pytest.raises(IntegrityError), transaction.atomic():
            decision.save(force_insert=True)


@pytest.mark.both_databases
def test_a_decision_on_a_delivery_is_never_changed(refused, ann):
    decision = approve_delivery(refused, by=ann, seen=look(refused))
    mine = Decision.objects.filter(pk=decision.pk)
    for act in (
        lambda: mine.update(verdict="reject"),
        lambda: mine._raw_delete(mine.db),
    ):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            act()


def move_once_more(delivery: Delivery, ann: Any) -> None:
    DestinationVersion(destination=delivery.destination, address="http://b/").save()


def go_on(delivery: Delivery, ann: Any) -> None:
    Delivery.objects.update(revision=F("revision") + 1)  # it moved to and fro


def give_up(delivery: Delivery, ann: Any) -> None:
    by = person("max", "Managers")
    withdraw_delivery(Delivery.objects.get(pk=delivery.pk), by=by, reason="No.")


@pytest.mark.parametrize(
    ("meanwhile", "refusal"),
    [(move_once_more, StalePage), (go_on, StalePage), (give_up, MoveRefused)],
)
def test_a_page_that_is_older_than_what_is_there_decides_nothing(
    refused, ann, meanwhile, refusal
):
    page = look(refused)
    meanwhile(refused, ann)

    with pytest.raises(refusal):
        approve_delivery(refused, by=ann, seen=page)

    assert Delivery.objects.count() == 2
    assert Decision.objects.count() == 1


def test_a_double_click_decides_once(refused, ann):
    page = look(refused)
    approve_delivery(refused, by=ann, seen=page)
    with pytest.raises(MoveRefused, match="has taken its place already"):
        approve_delivery(refused, by=ann, seen=page)
    assert Delivery.objects.count() == 3


@pytest.mark.parametrize("who", ["olivia", "shop"])
def test_it_needs_the_right_to_decide(refused, who, request):
    page = look(refused)
    with pytest.raises(PermissionDenied):
        approve_delivery(refused, by=request.getfixturevalue(who), seen=page)
    assert Delivery.objects.count() == 2


def test_the_terms_of_the_review_hold_for_it_too(courier, ann, at, httpserver):
    rita = person("rita", "Reviewers", "Operators")
    desk = webhook(f"{at}/desk", job_type("memo"))
    job = submit(rita, of="memo")
    ReviewPolicy.objects.create(version=job.version, four_eyes=True)
    review = bring_to("awaiting_review", job, courier).reviews.get()
    approve(review, by=ann, seen=seen(review))
    DestinationVersion(destination=desk, address=f"{at}/corrected").save()
    send_due()

    with pytest.raises(PermissionDenied, match="another person"):
        approve_delivery(only_delivery(), by=rita, seen=look(only_delivery()))


@pytest.fixture
def doubly(refused) -> Delivery:
    """The same, where the terms ask for two approvals."""
    with_terms(refused.decision.review, approvals=2)
    return Delivery.objects.get(pk=refused.pk)


def test_where_the_terms_ask_for_two_nothing_leaves_before_the_second(
    doubly, ann, bob, httpserver
):
    page = look(doubly)
    first = approve_delivery(doubly, by=ann, seen=page, comment="Fine.")

    assert (first.deliveries.count(), first.request_hashes) == (0, [])
    assert only_delivery(pk=doubly.pk).status == "refused"
    job = Job.objects.get()
    assert "Anew it has 1 of 2 approvals, by ann." in explain(job).sentence
    event = job.events.last()
    assert (event.kind, event.note) == ("approval", "1 of 2 approvals anew. Fine.")
    assert event.data["to"] == "desk"
    with pytest.raises(DecidedAlready, match="Another person decides next"):
        approve_delivery(doubly, by=ann, seen=page)

    last = approve_delivery(doubly, by=bob, seen=page)  # open all the time

    assert why_not(last.deliveries.get()) == ""
    send_due()
    (request,) = received(httpserver)
    assert (request.path, request.json["data"]["decision"]["by"]) == (
        "/corrected",
        "bob",
    )
    assert Job.objects.get().status == "delivered"
    assert broken_links(Job.objects.get()) == []


@pytest.mark.both_databases
@pytest.mark.django_db(transaction=True)
def test_two_who_give_the_first_approval_anew_at_once_count_as_two(
    committed_review, ann, bob
):
    webhook("http://127.0.0.1:9/hook", committed_review.job.version.job_type)
    refused = []
    for review in reviews_like(committed_review, rounds(12)):
        (delivery,) = approve(review, by=ann, seen=seen(review)).deliveries.all()
        delivery.move("refused")
        with_terms(review, approvals=2)
        refused.append((delivery, look(delivery)))

    def act(by: User, delivery: Delivery, page: str) -> Decision:
        return approve_delivery(delivery, by=by, seen=page)

    at_once(*[[partial(act, by, *one) for one in refused] for by in (ann, bob)])

    for delivery, _ in refused:
        job = Job.objects.get(pk=delivery.job_id)
        statuses = job.deliveries.order_by("pk").values_list("status", flat=True)
        assert list(statuses) == ["withdrawn", "pending"]
        assert delivery.decided_anew.count() == 2
        assert broken_links(job) == []


def test_an_approval_for_another_address_does_not_count_and_is_given_again(
    doubly, ann, bob
):
    approve_delivery(doubly, by=ann, seen=look(doubly))
    move_once_more(doubly, ann)

    approve_delivery(doubly, by=bob, seen=look(doubly))
    assert Delivery.objects.count() == 2
    assert "1 of 2 approvals, by bob" in explain(Job.objects.get()).sentence

    approve_delivery(doubly, by=ann, seen=look(doubly))
    assert Delivery.objects.filter(decision__by=ann, status="pending").count() == 1


def test_approvals_of_the_result_are_none_of_a_delivery(
    desk, approval, bob, httpserver
):
    """Even if what would leave is the same as before."""
    httpserver.clear()
    httpserver.expect_request("/desk").respond_with_data(status=404)
    send_due()
    with_terms(approval.review, approvals=2)

    approve_delivery(only_delivery(), by=bob, seen=look(only_delivery()))

    assert only_delivery().status == "failed"


def test_who_wrote_the_version_does_not_approve_it_there_either(courier, ann, bob, at):
    desk = webhook(f"{at}/desk", job_type("memo"))
    job = submit(person("rita", "Reviewers", "Operators"), of="memo")
    review = bring_to("awaiting_review", job, courier).reviews.get()
    with_terms(review, edit_needs_second=True)
    edit_result(review, by=ann, content="Corrected.", base_seen=seen(review))
    review = Job.objects.get().reviews.get()
    approve(review, by=bob, seen=seen(review))
    DestinationVersion(destination=desk, address=f"{at}/corrected").save()
    send_due()

    with pytest.raises(PermissionDenied, match="You wrote this version"):
        approve_delivery(only_delivery(), by=ann, seen=look(only_delivery()))


def switch_off(desk: Destination) -> None:
    Destination.objects.filter(pk=desk.pk).update(is_active=False)


def take_away(desk: Destination) -> None:
    desk.job_types.clear()


def approve_another(desk: Destination) -> None:
    Job.objects.update(approved_hash="0" * 64)


@pytest.mark.parametrize(
    ("meddle", "why"),
    [
        (switch_off, "switch it on first"),
        (take_away, "does not get results"),
        (approve_another, "not the one that was approved"),
    ],
)
def test_it_says_why_nothing_can_be_sent_there(refused, ann, meddle, why):
    page = look(refused)
    meddle(refused.destination)
    with pytest.raises(MoveRefused, match=why):
        approve_delivery(refused, by=ann, seen=page)
    assert Delivery.objects.count() == 2


def test_nothing_takes_the_place_of_what_may_still_arrive(desk, approval, ann):
    for step in ("pending", "sending", "uncertain", "delivered"):
        if step != "pending":
            only_delivery().move(step)
        with pytest.raises(MoveRefused, match="takes the place only of one"):
            approve_delivery(only_delivery(), by=ann, seen="0" * 64)


def test_once_the_job_is_back_in_review_its_deliveries_are_decided_there(
    desk, approval, ann
):
    recall_job(Job.objects.get(), by=ann)
    with pytest.raises(MoveRefused, match="nothing more is sent"):
        approve_delivery(only_delivery(), by=ann, seen="0" * 64)
