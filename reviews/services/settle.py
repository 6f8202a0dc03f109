"""What a job becomes of once its deliveries have come to their ends."""

from jobs.kit.rights import SYSTEM
from jobs.lifecycle import lock
from jobs.models import Job
from reviews.models import Delivery

Status = Delivery.Status
OVER = [Status.DELIVERED, Status.WITHDRAWN]


def lock_job_of(delivery: Delivery) -> Job:
    """The job is the lock of its deliveries: whoever moves one holds it."""
    (job,) = lock(Job.objects.filter(pk=delivery.job_id).select_related("version"))
    delivery.job = job
    return job


def settle_job(job: Job, *, actor: str = SYSTEM) -> None:
    """Delivered, once each delivery has arrived or was withdrawn, and one arrived."""
    if job.status != Job.Status.APPROVED:
        return
    arrived = job.deliveries.filter(status=Status.DELIVERED)
    if arrived.exists() and not job.deliveries.exclude(status__in=OVER).exists():
        job.move(Job.Status.DELIVERED, actor=actor)
