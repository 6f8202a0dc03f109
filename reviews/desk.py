"""What a review page shows of the work on it: claim, approvals, checks."""

from typing import Any, cast

from django.contrib.auth.models import User
from django.http import HttpRequest
from django.utils import timezone

from reviews.models import Check, Review
from reviews.services import claim
from reviews.services.approvals import tally_of
from reviews.services.decide import why_not_again
from reviews.services.ready import what_is_missing
from reviews.services.seen import Seen, what_is_seen
from reviews.services.who_may import why_not_approve, why_not_decide


def work_on(request: HttpRequest, review: Review, *, readable: bool) -> dict[str, Any]:
    """All of it, as this person may see and do it."""
    person, is_open = cast(User, request.user), review.closed_at is None
    seen = what_is_seen(review) if is_open and readable else None
    bar = why_not_decide(review, person)
    why_not = bar or (why_not_again(review, person, seen) if is_open else "")
    held = held_by(request, review)
    return {
        **held,
        "seen": seen,
        "why_not": why_not if person.has_perm("reviews.decide_review") else "",
        "can_decide": bool(seen) and not why_not and not held["held_by_another"],
        "may_claim": bool(seen) and not why_not and person.has_perm(claim.RIGHT),
        "checks": review.checks.select_related("done_by"),
        **(decision_bar(review, person, seen) if seen else {}),
    }


def held_by(request: HttpRequest, review: Review) -> dict[str, Any]:
    """Who has it in hand, as this person sees it."""
    holder = review.holder(timezone.now())
    return {
        "holder": holder,
        "held_by_me": holder is not None and holder == request.user,
        "held_by_another": holder is not None and holder != request.user,
    }


def decision_bar(review: Review, person: User, seen: Seen) -> dict[str, Any]:
    """How many have approved, and what stands in the way of this person's approval."""
    own = why_not_approve(review, person)
    return {
        "seen": seen,
        "tally": tally_of(review, seen),
        "missing": [*([own.rstrip(".")] if own else []), *what_is_missing(review)],
    }


def check_of(review: Review, pk: int) -> Check | None:
    """The check of this review with this number."""
    check = review.checks.select_related("done_by").filter(pk=pk).first()
    if check:
        check.review = review
    return check
