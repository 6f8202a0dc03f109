"""What happens when time is up: no job waits for ever."""

from datetime import datetime

from jobs.lifecycle import Line, Move, add_events, move_all
from jobs.models import Attempt, Job
from jobs.policy.failures import FailureClass
from jobs.services.supply import answer_by, keep_waiting

Status = Job.Status
OVERDUE = {"failure_class": "", "failure_code": "deadline"}
ENDED_UNANSWERED = "ended_unanswered"
UNANSWERED = "It was ended before the answer to its start was here."


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
                note=overdue_note(job),
                changes=dict(OVERDUE),
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


def overdue_note(job: Job) -> str:
    return f"Not completed by its deadline, {job.deadline_at:%d %b %H:%M} UTC."


def end_unanswered_calls(jobs: list[Job], now: datetime) -> None:
    """Give up those of these locked jobs for whose calls nobody came in time."""
    in_vain = [job for job in jobs if answer_by(job) <= now]
    note = "Nobody answered the model's calls in time."
    move_all([Move(job, Status.ABANDONED, note=note) for job in in_vain])
    for job in jobs:
        if job not in in_vain:
            keep_waiting(job)


def close_attempts(jobs: list[Job], now: datetime) -> None:
    """End the open attempts of locked jobs; those the provider knows get stopped.

    One that was not answered yet counts as lost until its answer says otherwise.
    """
    still_open = Attempt.objects.filter(job__in=jobs, ended_at=None)
    unanswered = list(still_open.filter(response_id=None).select_related("job"))
    still_open.exclude(response_id=None).update(
        ended_at=now, wake_at=now, follow_up="to be stopped"
    )
    still_open.update(
        ended_at=now,
        failure_class=FailureClass.LOST,
        failure_code=ENDED_UNANSWERED,
        failure_message=UNANSWERED,
        follow_up="stopped, should it show up",
    )
    said = [(a.job.history, {"attempt": a.number, "class": "lost"}) for a in unanswered]
    add_events([Line(h, "attempt", UNANSWERED, data) for h, data in said], now=now)
