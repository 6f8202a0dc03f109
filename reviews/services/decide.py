"""Deciding: check, record, move. The only way to an effect outside."""

from datetime import datetime

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone

from jobs.kit.rights import name_of
from jobs.lifecycle import Line, MoveRefused, add_events
from jobs.models import Job
from reviews.models import Decision, DecisionComment, Delivery, Review
from reviews.services.approvals import Tally, tally_of
from reviews.services.plan import plan_deliveries
from reviews.services.ready import require_ready
from reviews.services.requests import Request, decided_requests
from reviews.services.seen import Seen, StalePage, as_seen, outdate_pages
from reviews.services.who_may import RIGHT, why_not_approve, why_not_decide

__all__ = ["RIGHT", "StalePage", "approve", "reject", "why_not_decide"]
Verdict = Decision.Verdict
LONGEST_COMMENT = 10_000  # characters


class CommentNeeded(ValueError):
    """A rejection says why."""


class DecidedAlready(MoveRefused):
    """Nobody decides twice on the same; nothing was changed."""


@transaction.atomic
def approve(
    review: Review, *, by: User, seen: str, comment: str = "", via: str = "admin"
) -> Decision:
    """Accept exactly what was `seen`; the last approval sets its deliveries going.

    Raises PermissionDenied, or one of MoveRefused: StalePage if anything changed
    since it was seen, Claimed, NotReady, DecidedAlready.
    """
    review, shown = as_seen(review, by, seen)
    _require_first(review, by)
    if why := why_not_approve(review, by):
        raise PermissionDenied(why)
    require_ready(review)
    tally = tally_of(review, shown)
    if tally.missing > 1:
        return _approve_in_part(review, tally, by, seen, comment, via)
    return _approve_for_good(review, shown, by, seen, comment, via)


@transaction.atomic
def reject(
    review: Review, *, by: User, seen: str, comment: str = "", via: str = "admin"
) -> Decision:
    """Turn down what was `seen`: nothing leaves, whoever approved it before.

    Raises as approve() does, and CommentNeeded without a reason.
    """
    if not comment.strip():
        raise CommentNeeded("Say why, for whoever asked for it.")
    review, _ = as_seen(review, by, seen)
    _require_first(review, by)
    decision = record_decision(
        review, Verdict.REJECT, by, timezone.now(), seen, via, []
    )
    comment_on(decision, comment)
    outdate_pages(review)
    review.job.move(Job.Status.REJECTED, actor=name_of(by), note=comment)
    return decision


def why_not_again(review: Review, person: User) -> str:
    """What this person has decided on this very version; empty for nothing yet."""
    rows = review.decisions.on_the_result().filter(by=person.pk)
    decision = rows.filter(content_hash=review.result.content_hash).first()
    if decision is None:
        return ""
    return (
        f"You decided on this version at {decision.at:%H:%M:%S} UTC: "
        f"{decision.get_verdict_display()}. Another person decides next."
    )


def _require_first(review: Review, by: User) -> None:
    if why := why_not_again(review, by):
        raise DecidedAlready(why)


def _approve_in_part(
    review: Review, tally: Tally, by: User, seen: str, comment: str, via: str
) -> Decision:
    """One of several: nothing leaves by it, and no other's page becomes stale.

    So two who give the first one at once count as two. The claim is given back.
    """
    now = timezone.now()
    decision = record_decision(review, Verdict.APPROVE, by, now, seen, via, [])
    comment_on(decision, comment)
    rows = Review.objects.filter(pk=review.pk)
    rows.update(claimed_by=None, claimed_until=None)
    count = {"approvals": len(tally.given) + 1, "of": tally.needed}
    note = f"{count['approvals']} of {count['of']} approvals. {comment}".strip()
    line = Line(review.job.history, "approval", note, count)
    add_events([line], actor=name_of(by), now=now)
    return decision


def _approve_for_good(
    review: Review, shown: Seen, by: User, seen: str, comment: str, via: str
) -> Decision:
    """The last one: the job is approved, and what was seen is what will leave."""
    now, drafts = timezone.now(), shown.requests
    requests = decided_requests(drafts, review.result, by=name_of(by), at=now)
    decision = record_decision(review, Verdict.APPROVE, by, now, seen, via, requests)
    comment_on(decision, comment)
    outdate_pages(review)
    review.job.move(
        Job.Status.APPROVED,
        actor=name_of(by),
        note=comment,
        approved_hash=decision.content_hash,
    )
    plan_deliveries(decision, requests)
    return decision


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
