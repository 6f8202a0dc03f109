"""Sending once more what did not arrive: the same bytes under the same id."""

from django.contrib.auth.models import User
from django.db import transaction

from jobs.kit.rights import name_of, require
from jobs.lifecycle import MoveRefused
from reviews.models import Delivery
from reviews.services.gate import why_not
from reviews.services.settle import lock_job_of

RIGHT = "reviews.resend_delivery"
Status = Delivery.Status


@transaction.atomic
def resend_delivery(delivery: Delivery, *, by: User, note: str = "") -> Delivery:
    """Have a failed or uncertain delivery sent as it was approved, at once.

    MoveRefused where the gate would refuse it: a new decision is needed then.
    """
    require(by, RIGHT)
    lock_job_of(delivery)
    if delivery.status not in (Status.FAILED, Status.UNCERTAIN):
        raise MoveRefused(
            f"{delivery} is {delivery.status}: only what failed or is uncertain "
            "is resent."
        )
    if why := why_not(delivery):
        raise MoveRefused(
            f"It cannot be resent as it was approved. {why} Approve it anew as it "
            "would be sent now, or withdraw it."
        )
    delivery.move(
        Status.PENDING,
        actor=name_of(by),
        note=note,
        tries_before=delivery.tries,
        failure_class="",
    )
    return delivery
