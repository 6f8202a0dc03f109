"""Deciding: check, record, move. The only way to an effect outside."""

from collections.abc import Iterable
from datetime import datetime

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone

from jobs.kit.rights import name_of
from jobs.lifecycle import Line, MoveRefused, add_events
from jobs.models import Job
from jobs.services.turns import take_out_of_thread
from reviews.models import Decision, DecisionComment, Delivery, Review
from reviews.services.approvals import Tally, tally_of
from reviews.services.plan import plan_deliveries
from reviews.services.ready import require_ready
from reviews.services.requests import Request, decided_requests
from reviews.services.seen import (
    Seen,
    StalePage,
    as_seen,
    outdate_pages,
    what_is_seen,
)
from reviews.services.who_may import RIGHT, why_not_approve, why_not_decide

__all__ = ["RIGHT", "StalePage", "approve", "reject", "why_not_decide"]
Verdict = Decision.Verdict
LONGEST_COMMENT = 10_000  # characters


class CommentNeeded(ValueError):
    """A rejection says why."""


class CommentTooLong(CommentNeeded):
    """It would not be kept whole; nothing was changed."""


class DecidedAlready(MoveRefused):
    """Nobody decides twice on the same; nothing was changed."""


@transaction.atomic
def approve(
    review: Review, *, by: User, seen: str, comment: str = "", via: str = "admin"
) -> Decision:
    """Accept exactly what was `seen`; the last approval sets its deliveries going.

    Raises PermissionDenied, or one of MoveRefused: StalePage if anything changed
    since it was seen, Claimed, NotReady, DecidedAlready. CommentTooLong.
    """
    review, shown = as_seen(review, by, seen)
    require_first(review, by, shown)
    if why := why_not_approve(review, by):
        raise PermissionDenied(why)
    require_ready(review)
    tally = tally_of(review, shown)
    if tally.missing > 1:
        return approve_in_part(review, shown, tally, by, comment, via)
    return _approve_for_good(review, shown, by, comment, via)


@transaction.atomic
def reject(
    review: Review, *, by: User, seen: str, comment: str = "", via: str = "admin"
) -> Decision:
    """Turn down what was `seen`: nothing leaves, whoever approved it before.

    Raises as approve() does, and CommentNeeded without a reason.
    """
    if not comment.strip():
        raise CommentNeeded("Say why, for whoever asked for it.")
    review, shown = as_seen(review, by, seen)
    require_first(review, by, shown)
    decision = record_decision(review, shown, Verdict.REJECT, by, timezone.now(), via)
    comment_on(decision, comment)
    outdate_pages(review)
    review.job.move(Job.Status.REJECTED, actor=name_of(by), note=comment)
    take_out_of_thread(review.job, timezone.now())
    return decision


def why_not_again(review: Review, person: User, shown: Seen | None = None) -> str:
    """What this person has decided on just this; empty for nothing yet.

    An approval that counts no more, since what would leave is another, may be given
    again.
    """
    shown = shown or what_is_seen(review)
    decision = _decided_before(review, person, shown)
    if decision is None:
        return ""
    return (
        f"You decided on this version at {decision.at:%H:%M:%S} UTC: "
        f"{decision.get_verdict_display()}. Another person decides next."
    )


def require_first(review: Review, by: User, shown: Seen) -> None:
    """DecidedAlready for who has decided on just this."""
    if why := why_not_again(review, by, shown):
        raise DecidedAlready(why)


def _decided_before(review: Review, person: User, shown: Seen) -> Decision | None:
    mine = review.decisions.on_the_result().filter(by=person.pk)
    alike = {"content_hash": shown.content_hash, "drafts_hash": shown.drafts_hash}
    return mine.filter(**alike).first()


def approve_in_part(
    review: Review,
    shown: Seen,
    tally: Tally,
    by: User,
    comment: str,
    via: str,
    delivery: Delivery | None = None,
) -> Decision:
    """One of several: nothing leaves by it, and no other's page becomes stale.

    So two who give the first one at once count as two. A claim is given back.
    """
    now, approval = timezone.now(), Verdict.APPROVE
    decision = record_decision(review, shown, approval, by, now, via, delivery=delivery)
    comment_on(decision, comment)
    rows = Review.objects.filter(pk=review.pk)
    rows.update(claimed_by=None, claimed_until=None)
    anew, told = (" anew", delivery.told) if delivery else ("", {})
    count = {"approvals": len(tally.given) + 1, "of": tally.needed}
    note = f"{count['approvals']} of {count['of']} approvals{anew}. {comment}".strip()
    line = Line(review.job.history, "approval", note, told | count)
    add_events([line], actor=name_of(by), now=now)
    return decision


def _approve_for_good(
    review: Review, shown: Seen, by: User, comment: str, via: str
) -> Decision:
    """The last one: the job is approved, and what was seen is what will leave."""
    now, drafts = timezone.now(), shown.requests
    requests = decided_requests(drafts, review.result, by=name_of(by), at=now)
    decision = record_decision(review, shown, Verdict.APPROVE, by, now, via, requests)
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
    shown: Seen,
    verdict: str,
    by: User,
    now: datetime,
    via: str,
    requests: Iterable[Request] = (),
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
        content_hash=shown.content_hash,
        drafts_hash=shown.drafts_hash,
        request_hashes=[request.digest for request in requests],
        seen=shown.digest,
    )


def comment_on(decision: Decision, comment: str) -> None:
    """Beside the decision and not in it, since it may be erased one day."""
    require_whole(comment)
    if comment:
        DecisionComment.objects.create(decision=decision, text=comment)


def require_whole(comment: str) -> None:
    """CommentTooLong where it could be kept only in part."""
    if len(comment) > LONGEST_COMMENT:
        raise CommentTooLong(f"A comment has at most {LONGEST_COMMENT:,} characters.")
