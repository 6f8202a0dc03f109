"""Claims: one reviewer has a review in hand, for as long as the page is open."""

from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone

from jobs.kit.rights import name_of, require
from jobs.lifecycle import Line, MoveRefused, add_events, lock
from jobs.models import Job
from reviews.models import Review
from reviews.services.who_may import why_not_decide

RIGHT = "reviews.claim_review"
LEASE = timedelta(minutes=5)  # an open page renews it every minute


class Claimed(MoveRefused):
    """Somebody else has it in hand; nothing was changed."""


@transaction.atomic
def claim_review(review: Review, *, by: User, take_over: bool = False) -> Review:
    """Take it in hand, or keep it there.

    Claimed while another has it, unless it is taken over: that is in the history.
    """
    review, now = _open_one(review, by), timezone.now()
    holder = review.holder(now)
    if holder and holder != by:
        if not take_over:
            raise Claimed(_in_whose_hands(review))
        _note_take_over(review, holder, by, now)
    _hand_to(review, by, now + LEASE)
    return review


@transaction.atomic
def renew_claim(review: Review, *, by: User) -> bool:
    """Keep one's own, even if it ran out; False when it is no longer one's own."""
    require(by, RIGHT)
    rows = Review.objects.open().filter(pk=review.pk, claimed_by=by)
    return bool(rows.update(claimed_until=timezone.now() + LEASE))


@transaction.atomic
def release_review(review: Review, *, by: User) -> Review:
    """Let others have it; what is in another's hands stays there."""
    review = _open_one(review, by)
    if review.claimed_by == by:
        _hand_to(review, None, None)
    return review


def require_unclaimed(review: Review, by: User, now: datetime) -> None:
    """Nobody else has it in hand at this moment."""
    holder = review.holder(now)
    if holder and holder != by:
        raise Claimed(_in_whose_hands(review))


def _open_one(review: Review, by: User) -> Review:
    """As it is now, locked through its job, for one who may claim and decide."""
    require(by, RIGHT)
    (job,) = lock(Job.objects.filter(pk=review.job_id))
    review = Review.objects.select_related("claimed_by").get(pk=review.pk)
    review.job = job
    if why := why_not_decide(review, by):
        raise PermissionDenied(why)
    if review.closed_at is not None:
        status = job.get_status_display()
        raise MoveRefused(f"This review is closed: the job is {status}.")
    return review


def _hand_to(review: Review, person: User | None, until: datetime | None) -> None:
    review.claimed_by, review.claimed_until = person, until
    review.save(update_fields=["claimed_by", "claimed_until"])


def _in_whose_hands(review: Review) -> str:
    return (
        f"{review.claimed_by} has claimed this review until "
        f"{review.claimed_until:%H:%M:%S} UTC. Take it over first, or leave it to them."
    )


def _note_take_over(review: Review, holder: User, by: User, now: datetime) -> None:
    note = f"{name_of(by)} took the review over from {name_of(holder)}."
    line = Line(review.job.history, "claim", note, {"from": name_of(holder)})
    add_events([line], actor=name_of(by), now=now)
