"""Mail about reviews: that they opened, that they end soon, that nobody came."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Exists, F, OuterRef
from django.utils import timezone

from jobs.kit.rights import name_of
from jobs.lifecycle import Line, add_events, lock
from jobs.models import Job
from reviews.models import Review
from reviews.models.review import ReviewQuerySet
from reviews.notices import (
    ReviewDue,
    send_abandonments,
    send_escalations,
    send_openings,
    send_reminders,
)
from reviews.services.who_may import RIGHT, why_not_decide

log = structlog.get_logger(__name__)
LEASE = timedelta(minutes=5)  # and when it is tried again, if no mail server answers
NO_MEMBER = "nobody: no member of the group has a mail address"
BACKEND = "django.contrib.auth.backends.ModelBackend"


# ---- that they opened ----------------------------------------------------------------


def tell_of_openings() -> int:
    """One mail to each who may decide, of all that opened since; says of how many."""
    now = timezone.now()
    new = Review.objects.open().filter(told_at=None).select_related("job")
    ours = [review for review in new.order_by("due_at", "pk") if _take(review, now)]
    waiting = _by_address(ours)
    if waiting and _sent(send_openings, waiting) is None:
        again = Review.objects.filter(pk__in=[review.pk for review in ours])
        again.update(told_at=None)
        return 0
    return len(ours)


def _take(review: Review, now: datetime) -> bool:
    """Ours alone; should we die now, it is told by its reminder and by the queue."""
    untold = Review.objects.open().filter(pk=review.pk, told_at=None)
    return bool(untold.update(told_at=now))


def _by_address(reviews: list[Review]) -> dict[str, list[ReviewDue]]:
    waiting: dict[str, list[ReviewDue]] = {}
    able = _able() if reviews else []
    for review in reviews:
        for person in _who_may(review, able):
            mine = waiting.setdefault(person.email, [])
            if person.email and notice_of(review) not in mine:
                mine.append(notice_of(review))
    waiting.pop("", None)
    return waiting


# ---- that they end soon, and that nobody came ----------------------------------------


@dataclass(frozen=True)
class Occasion:
    """Something that is told once, at the time which stands in `column`."""

    column: str
    kind: str
    done: str
    nobody: str
    rows: Callable[[datetime], ReviewQuerySet]
    people: Callable[[Review], list[User]]
    send: Callable[[ReviewDue, list[str]], int]


def remind_reviewers() -> int:
    """Send the reminders that are due; says of how many reviews."""
    return _tell(REMINDER)


def escalate_reviews() -> int:
    """Tell others of reviews that nobody has decided on, or had; says of how many."""
    return _tell(ESCALATION) + _tell(ABANDONMENT)


def _tell(occasion: Occasion) -> int:
    now = timezone.now()
    column = occasion.column
    due = occasion.rows(now).filter(**{f"{column}__lte": now})
    rows = list(due.select_related("job").order_by(column))
    return sum(_tell_of(row, occasion) for row in rows if claim(row, occasion, now))


def claim(review: Review, occasion: Occasion, now: datetime) -> bool:
    """Ours alone, if nobody has moved its time since it was read: past a lease."""
    as_read = {occasion.column: getattr(review, occasion.column)}
    mine = occasion.rows(now).filter(pk=review.pk, **as_read)
    return bool(mine.update(**{occasion.column: now + LEASE}))


def _tell_of(review: Review, occasion: Occasion) -> bool:
    """The network is between the claim and the note: in no transaction."""
    people = [person for person in occasion.people(review) if person.email]
    addresses = [person.email for person in people]
    if people and not _sent(occasion.send, notice_of(review), addresses):
        return False  # and once more when the lease is over
    _note(review, occasion, people, timezone.now())
    return True


def _sent(send: Callable[..., int], *said: Any) -> int | None:
    """How many mails went; None when no mail server answered."""
    try:
        return send(*said)
    except OSError as error:
        log.warning("no notice was sent", error=repr(error))
        return None


@transaction.atomic
def _note(
    review: Review, occasion: Occasion, people: list[User], now: datetime
) -> None:
    """It was done, and is in the history."""
    (job,) = lock(Job.objects.filter(pk=review.job_id))
    Review.objects.filter(pk=review.pk).update(**{occasion.column: None})
    names = ", ".join(name_of(person) for person in people) or occasion.nobody
    said = f"{occasion.done} {names}."
    add_events([Line(job.history, occasion.kind, said)], now=now)


def _in_time(now: datetime) -> ReviewQuerySet:
    return Review.objects.open().filter(due_at__gt=now)


def _in_vain(now: datetime) -> ReviewQuerySet:
    """Those that ended with their time, and whose job nobody has reopened since."""
    later = Review.objects.filter(job=OuterRef("job"), pk__gt=OuterRef("pk"))
    over = Review.objects.filter(~Exists(later), closed_at__gte=F("due_at"))
    return over.filter(job__status=Job.Status.ABANDONED)


# ---- who is concerned ----------------------------------------------------------------


def notice_of(review: Review) -> ReviewDue:
    return ReviewDue(review.pk, review.job.public_id, review.due_at)


def deciders(review: Review) -> list[User]:
    """Those who may decide on it, by their rights and the terms of the review."""
    return _who_may(review, _able())


def _able() -> list[User]:
    return list(User.objects.with_perm(RIGHT, backend=BACKEND).order_by("username"))


def _who_may(review: Review, able: list[User]) -> list[User]:
    return [person for person in able if not why_not_decide(review, person)]


def superiors(review: Review) -> list[User]:
    """Those who are told when reviewers do not come."""
    members = User.objects.filter(groups__name=review.terms.escalate_to, is_active=True)
    return list(members.order_by("username"))


REMINDER = Occasion(
    "remind_at",
    "reminder",
    "Reminded",
    "nobody: those who may decide have no mail address",
    _in_time,
    deciders,
    send_reminders,
)
ESCALATION = Occasion(
    "escalate_at",
    "escalation",
    "Nobody had decided. Told",
    NO_MEMBER,
    _in_time,
    superiors,
    send_escalations,
)
ABANDONMENT = Occasion(
    "escalate_at",
    "escalation",
    "Nobody decided in time. Told",
    NO_MEMBER,
    _in_vain,
    superiors,
    send_abandonments,
)
