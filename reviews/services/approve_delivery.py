"""A decision of its own for one delivery that did not arrive as it was approved."""

from dataclasses import dataclass

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone

from jobs.kit.canonical import digest_of
from jobs.kit.rights import name_of
from jobs.lifecycle import MoveRefused
from jobs.models import Job
from reviews.models import Decision, Delivery, Review
from reviews.services.decide import comment_on, record_decision
from reviews.services.plan import plan_deliveries
from reviews.services.requests import Request, decided_requests, draft_request
from reviews.services.seen import StalePage
from reviews.services.settle import lock_job_of
from reviews.services.who_may import why_not_approve, why_not_decide

Status = Delivery.Status
REPLACEABLE = (Status.FAILED, Status.REFUSED, Status.WITHDRAWN)


@dataclass(frozen=True)
class SeenAnew:
    """What would be sent to this destination now; `digest`: of all that is shown."""

    digest: str
    request: Request


def what_is_seen_anew(delivery: Delivery) -> SeenAnew:
    """The approved content as this destination would get it now.

    MoveRefused where it can get nothing: says why.
    """
    if why := why_not_anew(delivery):
        raise MoveRefused(why)
    request = draft_request(delivery.destination, delivery.result)
    assert request is not None  # why_not_anew has looked
    content = delivery.result.content_hash
    parts = [content, request.digest, delivery.pk, delivery.revision]
    return SeenAnew(digest_of(parts), request)


@transaction.atomic
def approve_delivery(
    delivery: Delivery, *, by: User, seen: str, comment: str = "", via: str = "admin"
) -> Delivery:
    """Approve exactly what was `seen`: a new delivery takes the place of this one.

    Raises PermissionDenied, StalePage, or MoveRefused where nothing can be sent.
    """
    delivery = _as_it_is(delivery)
    review, now = review_of(delivery), timezone.now()
    draft = _as_seen(delivery, review, by, seen)
    requests = decided_requests([draft], delivery.result, by=name_of(by), at=now)
    approval = Decision.Verdict.APPROVE
    decision = record_decision(
        review, approval, by, now, seen, via, requests, delivery=delivery
    )
    comment_on(decision, comment)
    if delivery.status != Status.WITHDRAWN:
        note = "Another takes its place, by a new decision."
        delivery.move(Status.WITHDRAWN, actor=name_of(by), note=note)
    (planned,) = plan_deliveries(decision, requests)
    return planned


def _as_seen(delivery: Delivery, review: Review, by: User, seen: str) -> Request:
    """What goes out, if this person may decide on it and it still is what was seen."""
    if why := why_not_approve_anew(review, by):
        raise PermissionDenied(why)
    shown = what_is_seen_anew(delivery)
    if shown.digest != seen:
        raise StalePage(
            "This page showed an older state: the delivery or its destination "
            "changed since. Look again and decide on what is there now."
        )
    return shown.request


def why_not_approve_anew(review: Review, person: User) -> str:
    """Why this person may not: one decision is too few where terms ask for more."""
    if needed := review.terms.approvals - 1:
        return (
            f"This type asks for {needed + 1} approvals, and a delivery is approved "
            "anew by one. Return the job to review while nothing has left, or "
            "withdraw the delivery."
        )
    return why_not_decide(review, person) or why_not_approve(review, person)


def why_not_anew(delivery: Delivery) -> str:
    """Why no new delivery may take the place of this one; empty when one may."""
    job, destination = delivery.job, delivery.destination
    if job.erased_at is not None:
        return f"Its content was deleted {job.erased_at:%d %b %Y}."
    if delivery.status not in REPLACEABLE:
        return (
            f"{delivery} is {delivery.status}: another takes the place only of one "
            "that failed, was refused or was withdrawn."
        )
    if job.status != Job.Status.APPROVED:
        return f"The job is {job.get_status_display()}: nothing more is sent for it."
    if delivery.result.content_hash != job.approved_hash:
        return "The result is not the one that was approved."
    if _has_successor(delivery):
        return f"Another delivery to {destination} has taken its place already."
    if not destination.is_active:
        return f"{destination} is switched off: switch it on first."
    if not destination.job_types.filter(pk=job.version.job_type_id).exists():
        return f"{destination} does not get results of this type."
    return "" if destination.current else f"{destination} has no address yet."


def review_of(delivery: Delivery) -> Review:
    """The review in which the result was approved: its terms hold here too."""
    review = delivery.decision.review
    review.job = delivery.job
    return review


def _as_it_is(delivery: Delivery) -> Delivery:
    """The delivery as it is now, locked through its job."""
    job = lock_job_of(delivery)
    rows = Delivery.objects.select_related(
        "destination", "result__job__version", "decision__review"
    )
    found = rows.get(pk=delivery.pk)
    found.job = job
    return found


def _has_successor(delivery: Delivery) -> bool:
    same = delivery.job.deliveries.filter(
        destination=delivery.destination_id, result=delivery.result_id
    )
    return same.filter(pk__gt=delivery.pk).exists()
