"""What a reviewer has before the eyes: a decision counts for exactly that."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import F
from django.utils import timezone

from jobs.kit.canonical import digest_of
from jobs.lifecycle import MoveRefused, lock
from jobs.models import Job
from reviews.models import Decision, Review
from reviews.services.claim import require_unclaimed
from reviews.services.requests import Request, draft_requests
from reviews.services.who_may import why_not_decide


class StalePage(MoveRefused):
    """What was decided on is not what there is now; nothing was changed."""


@dataclass(frozen=True)
class Seen:
    """`digest` changes whenever anything changes that is decided on."""

    digest: str
    content_hash: str
    requests: list[Request]

    @property
    def drafts_hash(self) -> str:
        """What would leave, at whatever revision of the review."""
        return drafts_hash_of(self.requests)


def drafts_hash_of(drafts: Iterable[Request]) -> str:
    return digest_of([draft.digest for draft in drafts])


def what_is_seen(review: Review) -> Seen:
    """The content, the requests that would leave, and the state of the review."""
    requests = draft_requests(review.result)
    content_hash, shown = review.result.content_hash, drafts_hash_of(requests)
    digest = digest_of([content_hash, shown, review.pk, review.revision])
    return Seen(digest, content_hash, requests)


def as_seen(review: Review, by: User, seen: str) -> tuple[Review, Seen]:
    """The review as it is now, locked through its job, if it still is what was seen.

    With the drafts that were seen: what is stored is made from these and no others.
    Raises PermissionDenied, StalePage, or Claimed while it is in another's hands.
    """
    review = locked(review)
    if why := why_not_decide(review, by):
        raise PermissionDenied(why)
    if review.closed_at is not None:
        raise StalePage(_who_was_first(review, by))
    require_unclaimed(review, by, timezone.now())
    shown = what_is_seen(review)
    if shown.digest != seen:
        raise StalePage(
            "This page showed an older state: the result, its destinations or the "
            "review changed since. Look again and decide on what is there now."
        )
    return review, shown


def locked(review: Review) -> Review:
    """As it is now; its job is the lock."""
    (job,) = lock(Job.objects.filter(pk=review.job_id).select_related("version"))
    review = Review.objects.select_related("result", "claimed_by").get(pk=review.pk)
    review.job = review.result.job = job
    return review


def outdate_pages(review: Review) -> None:
    """Something that is decided on has changed: pages that showed it otherwise end."""
    Review.objects.filter(pk=review.pk).update(revision=F("revision") + 1)
    review.revision += 1


def _who_was_first(review: Review, by: User) -> str:
    decision = review.decisions.on_the_result().select_related("by").last()
    if decision is None or not _has_ended(review, decision):
        return f"This review is closed: the job is {review.job.get_status_display()}."
    who = "You have decided" if decision.by == by else f"{decision.by} was first"
    verdict = decision.get_verdict_display()
    return f"{who}: {verdict} at {decision.at:%H:%M:%S} UTC."


def _has_ended(review: Review, last: Decision) -> bool:
    """Whether it was this decision that closed the review: one of several may not."""
    if last.verdict != Decision.Verdict.APPROVE:
        return True
    given = review.decisions.counting_with(last)
    return given.count() >= review.terms.approvals
