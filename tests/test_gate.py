"""The gate: what is not what was approved does not leave."""

import json
from datetime import timedelta

import pytest
import time_machine
from django.db import IntegrityError, transaction
from django.utils import timezone

from jobs.kit.canonical import digest_of
from jobs.models import Job, Result
from reviews.models import (
    Decision,
    Delivery,
    Destination,
    DestinationVersion,
)
from reviews.services.decide import approve, reject
from reviews.services.gate import why_not
from tests.deliveries import A_MONTH, notes, only_delivery
from tests.house import (
    bring_to,
    seen,
    send_due,
    submit,
    webhook,
)

# ---- the gate --------------------------------------------------------------------


def edit(request: str) -> str:
    return request.replace("job.approved", "job.improved")


def change_the_request(delivery: Delivery) -> None:
    Delivery.objects.update(request=edit(delivery.request))


def change_the_request_and_its_hash(delivery: Delivery) -> None:
    request = edit(delivery.request)
    parts = [delivery.destination_version_id, json.loads(request)]
    Delivery.objects.update(request=request, request_hash=digest_of(parts))


def garble_the_request(delivery: Delivery) -> None:
    Delivery.objects.filter(pk=delivery.pk).update(request="{")


def empty_the_request(delivery: Delivery) -> None:
    Delivery.objects.update(request="")


def number_the_request(delivery: Delivery) -> None:
    Delivery.objects.update(request="NaN")


def swap_the_result(delivery: Delivery) -> None:
    Result.objects.update(content_hash="0" * 64)


def swap_the_approval(delivery: Delivery) -> None:
    Job.objects.update(approved_hash="0" * 64)


def move_the_destination(delivery: Delivery) -> None:
    address = delivery.destination_version.address
    DestinationVersion(destination=delivery.destination, address=address).save()


def readdress(delivery: Delivery) -> None:
    address = delivery.destination_version.address
    other = webhook(address, name="other")
    Delivery.objects.update(destination=other)


def switch_off(delivery: Delivery) -> None:
    Destination.objects.update(is_active=False)


def recall(delivery: Delivery) -> None:
    wake_at = timezone.now() + timedelta(hours=1)
    Job.objects.get().move(Job.Status.AWAITING_REVIEW, wake_at=wake_at)


TAMPERED = "The stored request is not the one that was approved."
SWAPPED = "The result is not the one that was approved."


@pytest.mark.parametrize(
    ("meddle", "why"),
    [
        (change_the_request, TAMPERED),
        (change_the_request_and_its_hash, TAMPERED),
        (garble_the_request, TAMPERED),
        (empty_the_request, TAMPERED),
        (number_the_request, TAMPERED),
        (swap_the_result, SWAPPED),
        (swap_the_approval, SWAPPED),
        (move_the_destination, "desk was changed since the approval."),
        (readdress, "other was changed since the approval."),
        (switch_off, "desk was switched off."),
        (recall, "The job is awaiting review, not approved."),
    ],
)
def test_what_is_not_what_was_approved_is_refused(
    desk, approval, httpserver, meddle, why
):
    meddle(only_delivery())

    send_due()

    delivery = only_delivery()
    assert (delivery.status, delivery.tries) == ("refused", 0)
    assert notes(delivery) == [why]
    assert httpserver.log == []
    with time_machine.travel(timezone.now() + A_MONTH):
        send_due()
    assert httpserver.log == []
    assert Job.objects.get().status != "delivered"


def test_a_rejection_delivers_nothing_even_with_a_forged_delivery(
    note, desk, shop, ann, bob, courier, httpserver, review
):
    approve(review, by=ann, seen=seen(review))
    forged = only_delivery()
    other = bring_to("awaiting_review", submit(shop), courier).reviews.get()
    rejection = reject(other, by=bob, seen=seen(other), comment="No.")
    Delivery.objects.update(decision=rejection, job=other.job, result=other.result)

    send_due()

    forged.refresh_from_db()
    assert forged.status == "refused"
    assert httpserver.log == []
    assert Job.objects.get(pk=other.job_id).status == "rejected"


def test_what_is_refused_does_not_hold_up_the_others(
    desk, inbox, approval, httpserver, mailoutbox
):
    garble_the_request(only_delivery(destination=inbox))

    send_due()

    statuses = dict(Delivery.objects.values_list("destination__name", "status"))
    assert statuses == {"desk": "delivered", "mail": "refused"}
    assert (len(httpserver.log), len(mailoutbox)) == (1, 0)


BEFORE_IT_IS_DEAD = [[], ["sending"]] + [
    ["sending", end] for end in ("delivered", "failed", "uncertain")
]


@pytest.mark.both_databases
@pytest.mark.parametrize(
    ("paths", "another_may"),
    [(BEFORE_IT_IS_DEAD, False), ([["refused"], ["withdrawn"]], True)],
    ids=["live", "dead"],
)
def test_a_result_has_one_live_delivery_for_each_destination(
    desk, approval, paths, another_may
):
    for path in paths:
        with transaction.atomic():
            delivery = only_delivery()
            for status in path:
                delivery.move(status)
            assert can_be_planned_again(delivery) == another_may
            transaction.set_rollback(True)


def can_be_planned_again(delivery: Delivery) -> bool:
    same = ("job", "result", "decision", "destination", "destination_version")
    parts = {name: getattr(delivery, name) for name in same}
    now = timezone.now()
    try:
        with transaction.atomic():
            Delivery.objects.create(
                **parts, request="", request_hash="", created_at=now, wake_at=now
            )
    except IntegrityError:
        return False
    return True


def test_a_decision_that_is_no_approval_lets_nothing_out(desk, approval, bob):
    """Not even one that was made to name the request."""
    copied = {
        name: getattr(approval, name)
        for name in ("review", "result", "at", "via", "review_revision", "content_hash")
    }
    forged = Decision.objects.create(
        **copied,
        by=bob,
        verdict="reject",
        request_hashes=approval.request_hashes,
        seen=approval.seen,
    )
    Delivery.objects.update(decision=forged)
    assert why_not(only_delivery()) == "Its decision is not an approval."


def test_the_noted_digest_is_that_of_the_stored_request(desk, approval):
    Delivery.objects.update(request_hash="0" * 64)
    assert "not the one that was approved" in why_not(only_delivery())
