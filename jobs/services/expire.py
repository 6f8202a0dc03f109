"""What happens when time is up: no job waits for ever."""

from datetime import datetime

from jobs.lifecycle import Move, move_all
from jobs.models import Attempt, Job
from jobs.services.supply import answer_by, keep_waiting

Status = Job.Status


def end_overdue(jobs: list[Job], now: datetime) -> None:
    """End these locked jobs, whose time is up."""
    unreviewed = [job for job in jobs if job.status == Status.AWAITING_REVIEW]
    late = [job for job in jobs if job not in unreviewed]
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


def end_unanswered_calls(jobs: list[Job], now: datetime) -> None:
    """Give up those of these locked jobs for whose calls nobody came in time."""
    in_vain = [job for job in jobs if answer_by(job) <= now]
    note = "Nobody answered the model's calls in time."
    move_all([Move(job, Status.ABANDONED, note=note) for job in in_vain])
    for job in jobs:
        if job not in in_vain:
            keep_waiting(job)


def close_attempts(jobs: list[Job], now: datetime) -> None:
    """End the open attempts of locked jobs; those the provider knows get stopped."""
    still_open = Attempt.objects.filter(job__in=jobs, ended_at=None)
    still_open.filter(response_id=None).update(ended_at=now, follow_up="ended by us")
    still_open.update(ended_at=now, wake_at=now, follow_up="to be stopped")
