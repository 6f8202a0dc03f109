"""A decision of its own for one delivery that did not arrive as it was approved."""

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone

from jobs.kit.canonical import digest_of
from jobs.kit.rights import name_of
from jobs.lifecycle import MoveRefused
from jobs.models import Job
from reviews.models import Decision, Delivery, Review
from reviews.services.approvals import Tally
from reviews.services.decide import (
    DecidedAlready,
    approve_in_part,
    comment_on,
    record_decision,
)
from reviews.services.plan import plan_deliveries
from reviews.services.requests import decided_requests, draft_request
from reviews.services.seen import Seen, StalePage
from reviews.services.settle import lock_job_of
from reviews.services.who_may import why_not_approve, why_not_decide

Status = Delivery.Status
REPLACEABLE = (Status.FAILED, Status.REFUSED, Status.WITHDRAWN)


def what_is_seen_anew(delivery: Delivery) -> Seen:
    """The approved content as this destination would get it now.

    MoveRefused where it can get nothing: says why.
    """
    if why := why_not_anew(delivery):
        raise MoveRefused(why)
    draft = draft_request(delivery.destination, delivery.result)
    assert draft is not None  # why_not_anew has looked
    content = delivery.result.content_hash
    parts = [content, draft.digest, delivery.pk, delivery.revision]
    return Seen(digest_of(parts), content, [draft])


@transaction.atomic
def approve_delivery(
    delivery: Delivery, *, by: User, seen: str, comment: str = "", via: str = "admin"
) -> Decision:
    """Approve exactly what was `seen`; the last approval sends it in this one's place.

    Raises PermissionDenied, or one of MoveRefused: StalePage, DecidedAlready, or
    where nothing can be sent. CommentTooLong.
    """
    delivery = _as_it_is(delivery)
    shown = _as_seen(delivery, by, seen)
    tally = tally_anew(delivery, shown)
    if why := why_not_approve_again(tally, by):
        raise DecidedAlready(why)
    if tally.missing > 1:
        review = review_of(delivery)
        return approve_in_part(review, shown, tally, by, comment, via, delivery)
    return _approve_for_good(delivery, shown, by, comment, via)


def tally_anew(delivery: Delivery, shown: Seen) -> Tally:
    """Who has approved that just this goes out in its place, and how many it takes."""
    alike = delivery.decided_anew.approving(shown.content_hash, shown.drafts_hash)
    rows = alike.select_related("by").order_by("pk")
    return Tally(list(rows), review_of(delivery).terms.approvals)


def why_not_approve_anew(delivery: Delivery, person: User) -> str:
    """Why this person may not: the terms of its review hold here too."""
    review = review_of(delivery)
    return why_not_decide(review, person) or why_not_approve(review, person)


def why_not_approve_again(tally: Tally, person: User) -> str:
    """Whether this person's approval is among those that count."""
    for decision in tally.given:
        if decision.by_id == person.pk:
            return (
                f"You approved it at {decision.at:%H:%M:%S} UTC: it has "
                f"{tally.sentence}. Another person decides next."
            )
    return ""


def _as_seen(delivery: Delivery, by: User, seen: str) -> Seen:
    """What goes out, if this person may decide on it and it still is what was seen."""
    if why := why_not_approve_anew(delivery, by):
        raise PermissionDenied(why)
    shown = what_is_seen_anew(delivery)
    if shown.digest != seen:
        raise StalePage(
            "This page showed an older state: the delivery or its destination "
            "changed since. Look again and decide on what is there now."
        )
    return shown


def _approve_for_good(
    delivery: Delivery, shown: Seen, by: User, comment: str, via: str
) -> Decision:
    """The last one: what was seen goes out, and takes the place of this delivery."""
    now, approval = timezone.now(), Decision.Verdict.APPROVE
    result, drafts = delivery.result, shown.requests
    requests = decided_requests(drafts, result, by=name_of(by), at=now)
    decision = record_decision(
        review_of(delivery), shown, approval, by, now, via, requests, delivery
    )
    comment_on(decision, comment)
    if delivery.status != Status.WITHDRAWN:
        note = "Another takes its place, by a new decision."
        delivery.move(Status.WITHDRAWN, actor=name_of(by), note=note)
    plan_deliveries(decision, requests)
    return decision


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
