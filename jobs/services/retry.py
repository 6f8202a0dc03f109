"""Setting a job going again, by a person."""

from datetime import timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from jobs.kit.rights import name_of, require
from jobs.lifecycle import MoveRefused
from jobs.models import Attempt, Job

RETRYABLE = frozenset({Job.Status.FAILED, Job.Status.CANCELLED, Job.Status.EXPIRED})


@transaction.atomic
def retry_job(job: Job, *, by: User, note: str = "") -> Job:
    """Queue a failed, cancelled or expired job anew, with a deadline of its own.

    Others may become queued too, but not by this: MoveRefused.
    """
    require(by, "jobs.retry_job")
    if job.status not in RETRYABLE:
        raise MoveRefused(f"{job} is {job.status}: only what has ended is retried")
    now = timezone.now()
    job.move(
        Job.Status.QUEUED,
        actor=name_of(by),
        note=note,
        wake_at=now,
        next_reason=Attempt.Reason.PERSON,
        deadline_at=now + timedelta(seconds=job.version.deadline_seconds),
        failure_class="",
        failure_code="",
        failure_message="",
    )
    return job
