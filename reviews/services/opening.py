"""Opening and closing the request for a decision."""

from dataclasses import asdict
from datetime import datetime

from django.db.models import Case, F, When

from jobs.models import Job
from reviews.models import Review, ReviewPolicy
from reviews.policy.terms import Terms, long_as
from reviews.services.checks import make_checks
from reviews.services.request_changes import rounds_used


def open_review(job: Job, now: datetime) -> Review:
    """Ask for a decision on the job's newest result, by the terms of its version."""
    terms = terms_of(job)
    due_at = now + long_as(terms.hours)
    job.wake_at = due_at
    Job.objects.filter(pk=job.pk).update(wake_at=due_at)
    review = Review.objects.create(
        job=job,
        result=job.results.latest("number"),
        round=rounds_used(job) + 1,
        policy=asdict(terms),
        opened_at=now,
        due_at=due_at,
        remind_at=_before(due_at, terms.remind_hours),
        escalate_at=_escalation(due_at, terms),
    )
    make_checks(review, now)
    return review


def _before(due_at: datetime, hours: int | None) -> datetime | None:
    return due_at - long_as(hours) if hours else None


def _escalation(due_at: datetime, terms: Terms) -> datetime | None:
    """With no hours, when it is abandoned."""
    if not terms.escalate_to:
        return None
    return due_at - long_as(terms.escalate_hours or 0)


def close_review(job: Job, now: datetime) -> None:
    """Whatever ended it: decided, cancelled, or nobody came."""
    in_time = When(due_at__gt=now, then=None)  # so there is nothing more to tell
    job.reviews.open().update(
        closed_at=now,
        claimed_by=None,
        claimed_until=None,
        escalate_at=Case(in_time, default=F("escalate_at")),
    )


def terms_of(job: Job) -> Terms:
    """The policy of its type version, or the default one."""
    rows = ReviewPolicy.objects.select_related("group", "escalate_to")
    policy = rows.filter(version=job.version_id).first()
    return policy.terms if policy else Terms()
