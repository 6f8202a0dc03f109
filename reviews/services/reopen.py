"""Waiting for people once more, after nobody came in time."""

from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from jobs.kit.rights import name_of, require
from jobs.lifecycle import MoveRefused, lock
from jobs.models import Job
from jobs.services.supply import answer_by, unanswered_calls

Status = Job.Status
RIGHTS = ("reviews.decide_review", "jobs.retry_job")


@transaction.atomic
def reopen_review(job: Job, *, by: User, note: str = "") -> Job:
    """Back to where it was abandoned, with a new time by which people are to come."""
    if not may_reopen(by):
        require(by, RIGHTS[0])
    lock(Job.objects.filter(pk=job.pk))
    where = where_abandoned(job)
    if where is None:
        raise MoveRefused(
            f"{job} is {job.status}: only what was abandoned while it waited for "
            "people is reopened."
        )
    changes = _time_to_answer(job) if where == Status.REQUIRES_ACTION else {}
    job.move(where, actor=name_of(by), note=note, **changes)
    return job


def may_reopen(person: User) -> bool:
    """Whoever decides, or sets jobs going again."""
    return any(person.has_perm(right) for right in RIGHTS)


def where_abandoned(job: Job) -> str | None:
    """What it waited for in vain: a decision, or answers; None if it was not so."""
    if job.status != Status.ABANDONED:
        return None
    last = job.events.filter(kind="status", became=job.status).order_by("seq").last()
    was = last.was if last else ""
    if was == Status.REQUIRES_ACTION:
        if job.thread_id is not None:
            return None  # the calls were taken out of its conversation
        return was if unanswered_calls(job).exists() else None
    return was if was == Status.AWAITING_REVIEW else None


def _time_to_answer(job: Job) -> dict[str, Any]:
    now = timezone.now()
    seconds = job.deadline_seconds or job.version.deadline_seconds
    job.deadline_at = now + timedelta(seconds=seconds)
    return {"deadline_at": job.deadline_at, "wake_at": answer_by(job, now)}
