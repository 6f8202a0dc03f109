"""Deciding: check, record, move. The only way to an effect outside."""

from datetime import datetime

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from jobs.kit.rights import name_of
from jobs.lifecycle import MoveRefused, lock
from jobs.models import Job
from reviews.models import Decision, DecisionComment, Delivery, Review
from reviews.services.plan import plan_deliveries
from reviews.services.requests import Request, decided_requests
from reviews.services.seen import what_is_seen

Verdict = Decision.Verdict
RIGHT = "reviews.decide_review"
LONGEST_COMMENT = 10_000  # characters


class StalePage(MoveRefused):
    """What was decided on is not what there is now; nothing was changed."""


class CommentNeeded(ValueError):
    """A rejection says why."""


@transaction.atomic
def approve(
    review: Review, *, by: User, seen: str, comment: str = "", via: str = "admin"
) -> Decision:
    """Accept exactly what was `seen`, and set its deliveries going.

    Raises PermissionDenied, or StalePage if anything changed since it was seen.
    """
    review, drafts = as_seen(review, by, seen)
    now = timezone.now()
    requests = decided_requests(drafts, review.result, by=name_of(by), at=now)
    decision = record_decision(review, Verdict.APPROVE, by, now, seen, via, requests)
    comment_on(decision, comment)
    review.job.move(
        Job.Status.APPROVED,
        actor=name_of(by),
        note=comment,
        approved_hash=decision.content_hash,
    )
    plan_deliveries(decision, requests)
    return decision


@transaction.atomic
def reject(
    review: Review, *, by: User, seen: str, comment: str = "", via: str = "admin"
) -> Decision:
    """Turn down what was `seen`: nothing leaves.

    Raises as approve() does, and CommentNeeded without a reason.
    """
    if not comment.strip():
        raise CommentNeeded("Say why, for whoever asked for it.")
    review, _ = as_seen(review, by, seen)
    decision = record_decision(
        review, Verdict.REJECT, by, timezone.now(), seen, via, []
    )
    comment_on(decision, comment)
    review.job.move(Job.Status.REJECTED, actor=name_of(by), note=comment)
    return decision


def as_seen(review: Review, by: User, seen: str) -> tuple[Review, list[Request]]:
    """The review as it is now, locked through its job, if it still is what was seen.

    With the drafts that were seen: what is stored is made from these and no others.
    """
    (job,) = lock(Job.objects.filter(pk=review.job_id).select_related("version"))
    review = Review.objects.select_related("result__job__version").get(pk=review.pk)
    review.job = job
    if why := why_not_decide(review, by):
        raise PermissionDenied(why)
    if review.closed_at is not None:
        raise StalePage(_who_was_first(review))
    shown = what_is_seen(review)
    if shown.digest != seen:
        raise StalePage(
            "This page showed an older state: the result, its destinations or the "
            "review changed since. Look again and decide on what is there now."
        )
    return review, shown.requests


def why_not_decide(review: Review, person: User) -> str:
    """Why this person may not decide on this review; empty when they may.

    The right to decide at all, and the terms of the review: group and four eyes.
    """
    group = review.policy.get("group")
    if not person.has_perm(RIGHT):
        return f"{name_of(person)} lacks the right {RIGHT}."
    if group and not person.groups.filter(name=group).exists():
        return f"Only members of {group} decide on this job."
    if review.policy.get("four_eyes") and review.job.requester_id == person.pk:
        return "You asked for this job: another person decides on it."
    return ""


def _who_was_first(review: Review) -> str:
    decision = review.decisions.on_the_result().select_related("by").last()
    if decision is None:
        return f"This review is closed: the job is {review.job.get_status_display()}."
    return (
        f"{decision.by} was first: {decision.get_verdict_display()} "
        f"at {decision.at:%H:%M:%S} UTC. Nothing was changed by you."
    )


def record_decision(
    review: Review,
    verdict: str,
    by: User,
    now: datetime,
    seen: str,
    via: str,
    requests: list[Request],
    delivery: Delivery | None = None,
) -> Decision:
    """The decision, with the hashes of all that it is about."""
    Review.objects.filter(pk=review.pk).update(revision=F("revision") + 1)
    return Decision.objects.create(
        review=review,
        result=review.result,
        delivery=delivery,
        verdict=verdict,
        by=by,
        at=now,
        via=via,
        review_revision=review.revision,
        content_hash=review.result.content_hash,
        request_hashes=[request.digest for request in requests],
        seen=seen,
    )


def comment_on(decision: Decision, comment: str) -> None:
    """Beside the decision and not in it, since it may be erased one day."""
    if comment:
        text = comment[:LONGEST_COMMENT]
        DecisionComment.objects.create(decision=decision, text=text)
