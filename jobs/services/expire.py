"""What happens when time is up: no job waits for ever."""

from datetime import datetime

from jobs.lifecycle import Move, move_all
from jobs.models import Attempt, Job

Status = Job.Status
BEFORE_COMPLETION = {Status.QUEUED, Status.RUNNING, Status.REQUIRES_ACTION}


def end_overdue(jobs: list[Job], now: datetime) -> list[Job]:
    """End those of these locked jobs whose time is up; the others are given back."""
    late = [
        job
        for job in jobs
        if job.status in BEFORE_COMPLETION and job.deadline_at <= now
    ]
    unreviewed = [job for job in jobs if job.status == Status.AWAITING_REVIEW]
    close_attempts(late, now)
    move_all(
        [
            Move(
                job,
                Status.EXPIRED,
                note=f"Not completed by its deadline, {job.deadline_at:%d %b %H:%M}.",
                changes={"failure_class": "", "failure_code": "deadline"},
            )
            for job in late
        ]
        + [
            Move(
                job, Status.ABANDONED, note="Nobody decided before the review was due."
            )
            for job in unreviewed
        ]
    )
    ended = {job.pk for job in [*late, *unreviewed]}
    return [job for job in jobs if job.pk not in ended]


def close_attempts(jobs: list[Job], now: datetime) -> None:
    """End the open attempts of locked jobs; those the provider knows get stopped."""
    still_open = Attempt.objects.filter(job__in=jobs, ended_at=None)
    still_open.filter(response_id=None).update(ended_at=now, follow_up="ended by us")
    still_open.update(ended_at=now, wake_at=now, follow_up="to be stopped")
