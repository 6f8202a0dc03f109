"""Deliveries that a person ends: given up, or seen to have arrived."""

from django.contrib.auth.models import User
from django.db import transaction

from jobs.kit.rights import name_of, require
from reviews.models import Delivery
from reviews.services.settle import lock_job_of, settle_job

RIGHT = "reviews.resend_delivery"
Status = Delivery.Status


class ReasonNeeded(ValueError):
    """What is given up says why."""


@transaction.atomic
def withdraw_delivery(delivery: Delivery, *, by: User, reason: str) -> Delivery:
    """Give it up. When all that is left has arrived, the job is delivered."""
    require(by, RIGHT)
    if not reason.strip():
        raise ReasonNeeded("Say why it is given up, for whoever looks for it.")
    job = lock_job_of(delivery)
    delivery.move(Status.WITHDRAWN, actor=name_of(by), note=reason)
    settle_job(job, actor=name_of(by))
    return delivery


@transaction.atomic
def confirm_delivery(delivery: Delivery, *, by: User, note: str = "") -> Delivery:
    """Note that an uncertain delivery has arrived: this person looked."""
    require(by, RIGHT)
    job = lock_job_of(delivery)
    delivery.move(
        Status.DELIVERED,
        actor=name_of(by),
        note=note or "Looked, and it had arrived.",
        failure_class="",
    )
    settle_job(job, actor=name_of(by))
    return delivery
