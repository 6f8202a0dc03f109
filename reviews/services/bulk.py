"""Approving several at once: each through the same service, each for itself."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied

from jobs.lifecycle import MoveRefused
from reviews.models import Decision, Review
from reviews.services.decide import approve, why_not_again
from reviews.services.ready import what_is_missing
from reviews.services.who_may import why_not_approve, why_not_decide, why_not_read


@dataclass
class Outcome:
    """The decisions that were made, and what the others were refused for."""

    done: list[Decision] = field(default_factory=list)
    refused: list[tuple[Review, str]] = field(default_factory=list)


def approve_all(
    shown: Iterable[tuple[Review, str]], *, by: User, comment: str = ""
) -> Outcome:
    """Approve each of these as it was seen; one that is refused stops no other.

    CommentTooLong for all of them.
    """
    outcome = Outcome()
    for review, seen in shown:
        try:
            outcome.done.append(_approve_one(review, seen, by, comment))
        except (MoveRefused, PermissionDenied) as refusal:
            outcome.refused.append((review, str(refusal)))
    return outcome


def _approve_one(review: Review, seen: str, by: User, comment: str) -> Decision:
    if why := why_not_bulk(review):
        raise MoveRefused(why)
    return approve(review, by=by, seen=seen, comment=comment)


def why_not_bulk(review: Review) -> str:
    """Why it wants a look of its own; empty when it may be one of several.

    Its terms never change, nor do the flags of a result: `seen` tells another result.
    """
    if not review.terms.allows_bulk:
        return f"{review.job.version.job_type} is approved one by one."
    if review.result.flags:
        return f"It is flagged {', '.join(review.result.flags)}: look at it by itself."
    return ""


def why_not_one_of_several(review: Review, person: User) -> str:
    """Why this person cannot approve it among others now, as far as can be told."""
    if review.closed_at is not None:
        return "It is closed."
    missing = what_is_missing(review)
    return (
        why_not_bulk(review)
        or why_not_read(review, person)
        or why_not_decide(review, person)
        or why_not_approve(review, person)
        or why_not_again(review, person)
        or (f"{'; '.join(missing)}." if missing else "")
    )
