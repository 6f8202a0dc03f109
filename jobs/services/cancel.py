"""Cancelling: at once for us, and at the provider as soon as the sweep gets there."""

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from jobs.kit.rights import name_of, require
from jobs.lifecycle import lock
from jobs.models import Job
from jobs.services.expire import close_attempts


@transaction.atomic
def cancel_job(job: Job, *, by: User, note: str = "") -> Job:
    """Cancel it, unless it moved since it was read; raises MoveRefused then."""
    require(by, "jobs.cancel_job")
    lock(Job.objects.filter(pk=job.pk))
    job.move(Job.Status.CANCELLED, actor=name_of(by), note=note)
    close_attempts([job], timezone.now())
    return job
