"""How far a job is, as far as anybody knows."""

from datetime import datetime, timedelta
from statistics import median

from django.db.models import F
from django.utils import timezone

from jobs.models import Attempt, Job
from jobs.policy.progress import Progress, estimate

SAMPLE = 20  # the latest completed attempts of the same version


def progress_of(job: Job) -> Progress:
    """By the usual duration of its type, else by steps; unknown stays unknown."""
    if job.status != Job.Status.RUNNING:
        done = job.status in DONE
        return Progress(100 if done else None, "status", "")
    return estimate(
        elapsed=timezone.now() - began_at(job),
        usual=usual_duration(job.version_id),
        steps=job.steps,
    )


DONE = {
    Job.Status.COMPLETED,
    Job.Status.AWAITING_REVIEW,
    Job.Status.APPROVED,
    Job.Status.DELIVERED,
    Job.Status.REJECTED,
}


def began_at(job: Job) -> datetime:
    attempt = job.open_attempt
    return (attempt and attempt.accepted_at) or job.started_at or job.created_at


def usual_duration(version_id: int) -> timedelta | None:
    """The median of the latest answers; None before there are any."""
    answered = Attempt.objects.filter(
        job__version=version_id, results__isnull=False, accepted_at__isnull=False
    )
    took = answered.order_by("-ended_at").values_list(F("ended_at") - F("accepted_at"))
    durations = [duration for (duration,) in took[:SAMPLE]]
    return median(durations) if durations else None
