"""Opening and closing the request for a decision."""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from jobs.models import Job
from reviews.models import Review, ReviewPolicy


@dataclass(frozen=True)
class Terms:
    """A policy as it is copied to a review, so that later changes do not reach it."""

    hours: int = 24
    remind_hours: int | None = None
    group: str = ""
    four_eyes: bool = False
    undo_seconds: int = 10
    escalate_hours: int | None = None
    escalate_to: str = ""


def open_review(job: Job, now: datetime) -> Review:
    """Ask for a decision on the job's newest result, by the terms of its version."""
    terms = terms_of(job)
    due_at = now + timedelta(hours=terms.hours)
    remind, escalate = terms.remind_hours, terms.escalate_hours
    job.wake_at = due_at
    Job.objects.filter(pk=job.pk).update(wake_at=due_at)
    return Review.objects.create(
        job=job,
        result=job.results.latest("number"),
        round=job.reviews.count() + 1,
        policy=asdict(terms),
        opened_at=now,
        due_at=due_at,
        remind_at=due_at - timedelta(hours=remind) if remind else None,
        escalate_at=due_at - timedelta(hours=escalate) if escalate else None,
    )


def close_review(job: Job, now: datetime) -> None:
    """Whatever ended it: decided, cancelled, or nobody came."""
    job.reviews.open().update(closed_at=now, claimed_by=None, claimed_until=None)


def terms_of(job: Job) -> Terms:
    """The policy of its type version, or the default one."""
    policy = ReviewPolicy.objects.filter(version=job.version_id).first()
    if policy is None:
        return Terms()
    group = policy.group.name if policy.group else ""
    return Terms(
        policy.hours,
        policy.remind_hours,
        group,
        policy.four_eyes,
        policy.undo_seconds,
        policy.escalate_hours,
        policy.escalate_to.name if policy.escalate_to else "",
    )
