"""Requesting changes: the model goes on from its answer, told what to do otherwise."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone

from jobs.kit.rights import name_of
from jobs.lifecycle import Move, MoveRefused, lock, move_all
from jobs.models import Attempt, Job, Result
from jobs.models.job_type import as_text
from jobs.services.retry import AFRESH
from jobs.services.threads import why_not_run
from reviews.models import ChangeRequest, Decision, Review
from reviews.services.claim import require_unclaimed
from reviews.services.decide import CommentNeeded, record_decision, require_first
from reviews.services.seen import StalePage, as_seen
from reviews.services.who_may import why_not_decide

MOST_CHANGES = 20
LONGEST_CHANGE = 2_000  # characters
ASKED = "A reviewer read your answer and asks for changes."
READ = "This is the answer that was read:"
EDITED = "The reviewer edited it first. Go on from this version and not from yours:"
WANTED = "Give the whole answer again, with each of these done and the rest as it was:"


class FeedbackNeeded(CommentNeeded):
    """A request for changes says which, in so many lines."""


class NoMoreRounds(MoveRefused):
    """The model was asked as often as its type allows, or cannot be asked any more."""


@transaction.atomic
def request_changes(
    review: Review, *, by: User, seen: str, feedback: Sequence[str], via: str = "admin"
) -> Decision:
    """Send what was `seen` back to the model, with a line for each change.

    Raises as approve() does; FeedbackNeeded without lines or with too many; and
    NoMoreRounds when the result must be edited, approved or rejected as it is.
    """
    lines = _checked(feedback)
    review, shown = as_seen(review, by, seen)
    require_first(review, by, shown)
    if why := why_no_more_rounds(review):
        raise NoMoreRounds(why)
    now = timezone.now()
    verdict = Decision.Verdict.REQUEST_CHANGES
    decision = record_decision(review, shown, verdict, by, now, via)
    ChangeRequest.objects.bulk_create(
        ChangeRequest(decision=decision, position=position, text=line)
        for position, line in enumerate(lines, start=1)
    )
    _send_back(review, lines, actor=name_of(by))
    return decision


def why_no_more_rounds(review: Review) -> str:
    """Why no changes can be requested; empty when they can."""
    used, most = rounds_used(review.job), review.terms.max_rounds
    if used >= most:
        times = "once" if used == 1 else f"{used} times"
        return (
            f"Changes were requested {times}, as often as this type of job allows: "
            "edit the result, approve it or reject it."
        )
    if why := why_not_run(review.job.thread):
        return f"{why}: edit the result, approve it or reject it."
    attempt = review.result.origin.attempt
    if attempt is None or not attempt.response_id or attempt.deleted_at:
        return (
            "The provider's answer is there no more, so the model cannot go on from "
            "it: edit the result, approve it or reject it."
        )
    return ""


def rounds_used(job: Job) -> int:
    """How often changes were requested of this job."""
    asked = Decision.objects.filter(review__job=job)
    return asked.filter(verdict=Decision.Verdict.REQUEST_CHANGES).count()


def instruction(result: Result, lines: Sequence[str]) -> str:
    """What the model is told: the version to go on from, if it is not its own.

    In a thread, others may have been answered since: there it is told in any case.
    """
    parts = [ASKED]
    if result.parent_id is not None:
        parts += [EDITED, as_text(result.content)]
    elif result.job.thread_id is not None:
        parts += [READ, as_text(result.content)]
    numbered = [f"{number}. {line}" for number, line in enumerate(lines, start=1)]
    return "\n\n".join([*parts, WANTED, "\n".join(numbered)])


@transaction.atomic
def judge_change(change: ChangeRequest, *, by: User, done: bool) -> ChangeRequest:
    """Mark it done or not, in the review that followed.

    Raises PermissionDenied, StalePage once that is over, or Claimed while it is in
    another's hands.
    """
    (job,) = lock(Job.objects.filter(reviews=change.decision.review_id))
    review = job.reviews.open().first()
    if review is None or change.decision != last_request(review):
        raise StalePage("The review in which this was to be looked at is over.")
    if why := why_not_decide(review, by):
        raise PermissionDenied(why)
    now = timezone.now()
    require_unclaimed(review, by, now)
    change.done, change.judged_by, change.judged_at = done, by, now
    change.save(update_fields=["done", "judged_by", "judged_at"])
    return change


def last_request(review: Review) -> Decision | None:
    """The request for changes that the version under this review answers."""
    earlier = Decision.objects.filter(
        review__job=review.job_id,
        review__lt=review.pk,
        verdict=Decision.Verdict.REQUEST_CHANGES,
    )
    return earlier.order_by("pk").last()


def _checked(feedback: Sequence[str]) -> list[str]:
    lines = [line.strip() for line in feedback if line.strip()]
    if not lines:
        raise FeedbackNeeded("Say what is to be changed, one thing on each line.")
    if len(lines) > MOST_CHANGES:
        raise FeedbackNeeded(f"At most {MOST_CHANGES} changes at once, one on a line.")
    if max(map(len, lines)) > LONGEST_CHANGE:
        said = f"A line has at most {LONGEST_CHANGE:,} characters."
        raise FeedbackNeeded(said)
    return lines


def _send_back(review: Review, lines: Sequence[str], *, actor: str) -> None:
    """Queued once more, with a deadline of its own and the chain to go on from."""
    job, now = review.job, timezone.now()
    attempt = review.result.origin.attempt
    assert attempt is not None
    seconds = job.deadline_seconds or job.version.deadline_seconds
    changes: dict[str, Any] = {
        **AFRESH,
        "wake_at": now,
        "deadline_at": now + timedelta(seconds=seconds),
        "next_reason": Attempt.Reason.CHANGES,
        "continues": attempt,
        "next_input": instruction(review.result, lines),
    }
    count = "1 change was" if len(lines) == 1 else f"{len(lines)} changes were"
    data = {"continues": attempt.number, "changes": len(lines)}
    move = Move(job, Job.Status.QUEUED, f"{count} requested.", data, changes)
    move_all([move], actor=actor)
