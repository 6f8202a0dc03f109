"""Check now: have the sweep look at once."""

from django.contrib.auth.models import User

from jobs.kit.rights import require
from jobs.lifecycle import MoveRefused
from jobs.models import Job


def check_job(job: Job, *, by: User) -> None:
    """Only sets wake_at; raises MoveRefused when there is nothing to look at."""
    require(by, "jobs.retry_job")
    if not Job.objects.filter(pk=job.pk).wake():
        raise MoveRefused(f"{job} is {job.status}: the provider is not asked about it")
