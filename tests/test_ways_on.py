"""No delivery is stuck without a way on: resend, withdraw, confirm."""

from typing import Any

import pytest
from django.core.exceptions import PermissionDenied

from jobs.explain import explain
from jobs.lifecycle import MoveRefused
from jobs.models import Job
from jobs.services.verify import broken_links
from reviews.models import Delivery, Destination, DestinationVersion
from reviews.services.resend import resend_delivery
from reviews.services.sending import claim_deliveries
from reviews.services.withdraw import (
    ReasonNeeded,
    confirm_delivery,
    withdraw_delivery,
)
from tests.deliveries import notes, only_delivery, received
from tests.house import send_due, webhook

LAST_TRY = 10
WHY = "They have it from us by post."


def fail(httpserver: Any, status: int = 404) -> None:
    """Have the one delivery there is fail, and the receiver mend its ways."""
    httpserver.clear()
    httpserver.expect_oneshot_request("/desk").respond_with_data(status=status)
    send_due()
    httpserver.expect_request("/desk").respond_with_data("thanks")


def bring_delivery_to(status: str) -> Delivery:
    delivery = only_delivery()
    for step in {
        "pending": [],
        "sending": ["sending"],
        "failed": ["sending", "failed"],
        "uncertain": ["sending", "uncertain"],
        "refused": ["refused"],
        "delivered": ["sending", "delivered"],
        "withdrawn": ["withdrawn"],
    }[status]:
        delivery.move(step)
    return delivery


# ---- resend ----------------------------------------------------------------------


def test_a_failed_delivery_is_resent_with_the_same_bytes_and_id(
    desk, approval, httpserver, olivia
):
    fail(httpserver)

    resend_delivery(only_delivery(), by=olivia, note="They mended it.")
    assert (only_delivery().status, only_delivery().failure_class) == ("pending", "")
    send_due()

    first, second = received(httpserver)
    assert first.data == second.data
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    job = Job.objects.get()
    assert (only_delivery().status, job.status) == ("delivered", "delivered")
    event = job.events.filter(kind="delivery", was="failed").get()
    assert (event.became, event.actor, event.note) == (
        "pending",
        "olivia",
        "They mended it.",
    )
    assert event.data == {"to": "desk", "delivery": str(only_delivery().uuid)}
    assert broken_links(job) == []


def test_what_was_resent_has_all_its_tries_anew(desk, approval, httpserver, olivia):
    Delivery.objects.update(tries=LAST_TRY - 1)
    fail(httpserver, 503)
    assert only_delivery().status == "failed"
    httpserver.clear()
    httpserver.expect_request("/desk").respond_with_data(status=503)

    resend_delivery(only_delivery(), by=olivia)
    send_due()

    assert (only_delivery().status, only_delivery().tries) == ("pending", LAST_TRY + 1)


def test_an_uncertain_mail_is_resent_when_a_person_says_so(
    inbox, approval, mailoutbox, olivia
):
    bring_delivery_to("uncertain")

    resend_delivery(only_delivery(), by=olivia)
    send_due()

    assert len(mailoutbox) == 1
    assert Job.objects.get().status == "delivered"


@pytest.mark.parametrize(
    "status", ["pending", "sending", "refused", "delivered", "withdrawn"]
)
def test_nothing_else_is_resent(desk, approval, olivia, status):
    delivery = bring_delivery_to(status)
    with pytest.raises(MoveRefused, match=f"is {status}: only what failed"):
        resend_delivery(delivery, by=olivia)
    assert only_delivery().status == status


def tamper(desk: Destination) -> None:
    Delivery.objects.update(request="{}")


def switch_off(desk: Destination) -> None:
    Destination.objects.update(is_active=False)


def move_house(desk: Destination) -> None:
    DestinationVersion(destination=desk, address="https://desk.example/").save()


@pytest.mark.parametrize(
    ("meddle", "why"),
    [
        (tamper, "The stored request is not the one that was approved."),
        (switch_off, "desk was switched off."),
        (move_house, "desk was changed since the approval."),
    ],
)
def test_what_the_gate_would_refuse_is_not_resent_and_it_says_what_to_do(
    desk, approval, httpserver, olivia, meddle, why
):
    fail(httpserver)
    meddle(desk)

    with pytest.raises(MoveRefused) as refusal:
        resend_delivery(only_delivery(), by=olivia)

    assert why in str(refusal.value)
    assert "Approve it anew" in str(refusal.value)
    assert only_delivery().status == "failed"


# ---- withdraw --------------------------------------------------------------------


@pytest.mark.parametrize("status", ["pending", "failed", "refused", "uncertain"])
def test_what_did_not_arrive_can_be_given_up(desk, approval, olivia, status):
    delivery = bring_delivery_to(status)

    withdraw_delivery(delivery, by=olivia, reason=WHY)

    assert only_delivery().status == "withdrawn"
    event = Job.objects.get().events.filter(kind="delivery").last()
    assert (event.became, event.actor, event.note) == ("withdrawn", "olivia", WHY)
    send_due()
    assert only_delivery().tries == 0


@pytest.mark.parametrize("status", ["sending", "delivered", "withdrawn"])
def test_what_is_out_or_over_is_not_given_up(desk, approval, olivia, status):
    delivery = bring_delivery_to(status)
    with pytest.raises(MoveRefused):
        withdraw_delivery(delivery, by=olivia, reason=WHY)
    assert only_delivery().status == status


@pytest.mark.parametrize("reason", ["", "  \n"])
def test_giving_up_needs_a_reason(desk, approval, olivia, reason):
    with pytest.raises(ReasonNeeded):
        withdraw_delivery(only_delivery(), by=olivia, reason=reason)
    assert only_delivery().status == "pending"


def test_when_the_last_one_owed_is_given_up_the_job_is_delivered(
    note, desk, inbox, approval, httpserver, olivia
):
    httpserver.clear()
    httpserver.expect_request("/desk").respond_with_data(status=404)
    send_due()
    assert Job.objects.get().status == "approved"

    withdraw_delivery(only_delivery(status="failed"), by=olivia, reason=WHY)

    job = Job.objects.get()
    assert job.status == "delivered"
    assert job.events.last().actor == "olivia"
    assert explain(job).sentence.startswith("Approved by ann")
    assert "delivered to mail," in explain(job).sentence
    assert broken_links(job) == []


def test_when_all_are_given_up_the_job_stays_approved_and_says_so(
    desk, inbox, approval, olivia
):
    for delivery in Delivery.objects.all():
        withdraw_delivery(delivery, by=olivia, reason=WHY)

    job = Job.objects.get()
    assert job.status == "approved"
    assert "every delivery was withdrawn, so nothing is sent" in explain(job).sentence
    assert explain(job).who == "reviewers"


def test_a_copy_that_is_older_than_the_row_is_refused(desk, approval, olivia):
    mine, theirs = only_delivery(), only_delivery()
    withdraw_delivery(theirs, by=olivia, reason=WHY)
    with pytest.raises(MoveRefused):
        withdraw_delivery(mine, by=olivia, reason="And again.")


def test_what_was_given_up_while_being_sent_again_is_not_taken(desk, approval, olivia):
    withdraw_delivery(only_delivery(), by=olivia, reason=WHY)
    assert claim_deliveries(8) == []


# ---- confirm ---------------------------------------------------------------------


def test_an_uncertain_delivery_that_had_arrived_is_confirmed(inbox, approval, olivia):
    delivery = bring_delivery_to("uncertain")

    confirm_delivery(delivery, by=olivia)

    job = Job.objects.get()
    assert (only_delivery().status, job.status) == ("delivered", "delivered")
    assert notes(only_delivery())[-1] == "Looked, and it had arrived."
    assert broken_links(job) == []


@pytest.mark.parametrize(
    "status", ["pending", "failed", "refused", "delivered", "withdrawn"]
)
def test_nothing_else_is_confirmed(desk, approval, olivia, status):
    delivery = bring_delivery_to(status)
    with pytest.raises(MoveRefused):
        confirm_delivery(delivery, by=olivia)
    assert only_delivery().status == status


@pytest.mark.parametrize(
    "act",
    [
        lambda d, by: resend_delivery(d, by=by),
        lambda d, by: withdraw_delivery(d, by=by, reason=WHY),
        lambda d, by: confirm_delivery(d, by=by),
    ],
)
def test_each_needs_the_right_to(inbox, approval, ann, act):
    delivery = bring_delivery_to("uncertain")
    with pytest.raises(PermissionDenied, match="lacks the right"):
        act(delivery, ann)
    assert only_delivery().status == "uncertain"


def test_of_two_that_need_a_person_the_refused_one_is_named_first(
    note, desk, inbox, approval, at
):
    webhook(f"{at}/third", note, name="third")
    refused = only_delivery(destination=inbox)
    refused.move("refused", note="mail was switched off.")
    failed = only_delivery(destination=desk)
    failed.move("sending")
    failed.move("failed", note="HTTP 404")

    sentence = explain(Job.objects.get()).sentence

    assert "the delivery to mail is refused" in sentence
    assert "mail was switched off." in sentence
    assert "1 more is not there yet." in sentence
