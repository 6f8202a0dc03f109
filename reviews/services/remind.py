"""Reminding those who may decide, once, before the time of a review is over."""

from datetime import datetime, timedelta

import structlog
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from jobs.kit.rights import name_of
from jobs.lifecycle import Line, add_events, lock
from jobs.models import Job
from reviews.models import Review
from reviews.notices import ReviewDue, send_reminders
from reviews.services.who_may import RIGHT, why_not_decide

log = structlog.get_logger(__name__)
LEASE = timedelta(minutes=5)  # and when it is tried again, if no mail server answers
BACKEND = "django.contrib.auth.backends.ModelBackend"


def remind_reviewers() -> int:
    """Send the reminders that are due; says of how many reviews."""
    now = timezone.now()
    due = Review.objects.to_remind_of(now).filter(due_at__gt=now).select_related("job")
    return sum(_remind(review) for review in list(due) if claim(review, now))


def claim(review: Review, now: datetime) -> bool:
    """Ours alone, if nobody has moved its time since it was read: past a lease."""
    as_read = Review.objects.open().filter(pk=review.pk, remind_at=review.remind_at)
    return bool(as_read.update(remind_at=now + LEASE))


def _remind(review: Review) -> bool:
    """The network is between the claim and the note: in no transaction."""
    people = [person for person in deciders(review) if person.email]
    notice = ReviewDue(review.pk, review.job.public_id, review.due_at)
    if people and not _sent(notice, people):
        return False  # and once more when the lease is over
    _note(review, people, timezone.now())
    return True


def _sent(notice: ReviewDue, people: list[User]) -> int:
    try:
        return send_reminders(notice, [person.email for person in people])
    except OSError as error:
        log.warning("no reminder was sent", review=notice.review_id, error=repr(error))
        return 0


def deciders(review: Review) -> list[User]:
    """Those who may decide on it, by their rights and the terms of the review."""
    able = User.objects.with_perm(RIGHT, backend=BACKEND).order_by("username")
    return [person for person in able if not why_not_decide(review, person)]


@transaction.atomic
def _note(review: Review, people: list[User], now: datetime) -> None:
    """It was done, and is in the history."""
    (job,) = lock(Job.objects.filter(pk=review.job_id))
    Review.objects.filter(pk=review.pk).update(remind_at=None)
    names = ", ".join(name_of(person) for person in people)
    said = names or "nobody: those who may decide have no mail address"
    add_events([Line(job.history, "reminder", f"Reminded {said}.")], now=now)
