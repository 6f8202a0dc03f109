"""Taking an approval back, while nothing has left."""

from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from jobs.kit.rights import name_of, require
from jobs.lifecycle import MoveRefused, lock, move_all
from jobs.models import Job
from reviews.models import Delivery, DeliveryAttempt

RIGHTS = ("reviews.resend_delivery", "reviews.decide_review")
Status = Delivery.Status
TAKEN_BACK = "The job went back to its review."


@transaction.atomic
def recall_job(job: Job, *, by: User, note: str = "") -> Job:
    """Back to review: what is unsent is withdrawn, and a new decision is asked for.

    MoveRefused once anything may have left: it cannot be called back.
    """
    if not may_recall(by):
        require(by, RIGHTS[0])
    lock(Job.objects.filter(pk=job.pk))
    if job.status == Job.Status.APPROVED and (why := why_not_recall(job)):
        raise MoveRefused(why)
    unsent = job.deliveries.exclude(status=Status.WITHDRAWN).order_by("pk")
    rows = list(unsent.select_related("destination"))
    for delivery in rows:
        delivery.job = job
    move_all(
        [delivery.going(Status.WITHDRAWN, note or TAKEN_BACK) for delivery in rows],
        actor=name_of(by),
    )
    job.move(Job.Status.AWAITING_REVIEW, actor=name_of(by), note=note, approved_hash="")
    return job


def leaves_at(job: Job, now: datetime) -> datetime | None:
    """When the first of it leaves; None once that is past, or nothing waits for it."""
    if job.status != Job.Status.APPROVED or why_not_recall(job):
        return None
    pending = job.deliveries.filter(status=Status.PENDING, tries=0)
    first = pending.order_by("wake_at").first()
    return first.wake_at if first and first.can_still_be_undone(now) else None


def may_recall(person: User) -> bool:
    """Whoever sees to deliveries, or decides; either way, nothing leaves by it."""
    return any(person.has_perm(right) for right in RIGHTS)


def why_not_recall(job: Job) -> str:
    """What has left, or may have; empty while nothing has."""
    tries = DeliveryAttempt.objects.filter(delivery__job=job, left=True)
    gone = tries.select_related("delivery__destination").order_by("pk").first()
    if gone is None:
        return ""
    return (
        f"{job} cannot go back to review: it was sent to {gone.delivery.destination} "
        f"at {gone.started_at:%d %b %H:%M} UTC, and what is out stays out. Each "
        "delivery that did not arrive can be approved anew, resent or withdrawn."
    )
