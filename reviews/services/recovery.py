"""What was being sent when we died: it must not stay so."""

from datetime import datetime

from jobs.lifecycle import Move, move_all
from reviews.delivery.failures import DEATHS, FailureClass
from reviews.models import Delivery, DeliveryAttempt, Destination

Status = Delivery.Status
UNSURE = "We stopped between sending and noting: look whether it arrived."
AGAIN = "We stopped between sending and noting: sent again under the same id."
ENOUGH = f"We stopped between sending and noting {DEATHS} times in a row."


def recover(stuck: list[Delivery], now: datetime) -> None:
    """Move on what is still being sent after its lease; the jobs must be locked.

    A webhook is sent again under the same id, so its receiver can tell; of a mail or
    a handler nobody can tell what it did, so a person decides. What keeps killing us
    ends.
    """
    cut = DeliveryAttempt.objects.filter(delivery__in=stuck, ended_at=None)
    cut.update(outcome=DeliveryAttempt.CUT_SHORT)
    move_all([_way_on(delivery, now) for delivery in stuck])


def _way_on(delivery: Delivery, now: datetime) -> Move:
    if delivery.destination.kind != Destination.Kind.WEBHOOK:
        lost = FailureClass.LOST
        return delivery.going(Status.UNCERTAIN, UNSURE, failure_class=lost)
    if _deaths(delivery) >= DEATHS:
        poison = FailureClass.POISON
        return delivery.going(Status.FAILED, ENOUGH, failure_class=poison)
    return delivery.going(Status.PENDING, AGAIN, wake_at=now)


def _deaths(delivery: Delivery) -> int:
    """How many of its last tries were cut short, since a person last resent it."""
    tries = delivery.attempts.filter(number__gt=delivery.tries_before)
    noted = tries.exclude(ended_at=None).order_by("-number").first()
    return tries.filter(number__gt=noted.number).count() if noted else tries.count()
