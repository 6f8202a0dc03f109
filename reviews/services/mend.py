"""What the doctor may do about reviews and deliveries, with a line in the history."""

from django.db import transaction
from django.utils import timezone

from jobs.lifecycle import lock
from jobs.models import Job
from jobs.services.mend import note_repair, wake
from reviews.models import Delivery, Review
from reviews.services.opening import close_review, open_review


@transaction.atomic
def open_missing_review(job: Job) -> bool:
    """The review that was never asked for, or is gone."""
    (job,) = lock(Job.objects.filter(pk=job.pk))
    waits = job.status == Job.Status.AWAITING_REVIEW and job.results.exists()
    if not waits or job.reviews.open().exists():
        return False
    open_review(job, timezone.now())
    note_repair(job, "It waited for a review that was not there: opened.")
    return True


@transaction.atomic
def close_stray_review(review: Review) -> bool:
    """A review of a job that no longer waits for one."""
    (job,) = lock(Job.objects.filter(pk=review.job_id))
    is_open = job.reviews.open().exists()
    if not is_open or job.status == Job.Status.AWAITING_REVIEW:
        return False
    close_review(job, timezone.now())
    note_repair(job, "A review of it was still open: closed.")
    return True


@transaction.atomic
def wake_review(review: Review) -> bool:
    """It ends when its review is due."""
    (job,) = lock(Job.objects.filter(pk=review.job_id))
    if job.wake_at is not None or job.status != Job.Status.AWAITING_REVIEW:
        return False
    wake(job, review.due_at)
    return True


@transaction.atomic
def make_due(delivery: Delivery) -> bool:
    """The outbox goes on with it: a webhook is sent again, of a mail a person says."""
    (job,) = lock(Job.objects.filter(pk=delivery.job_id))
    sending = job.deliveries.filter(pk=delivery.pk, status=Delivery.Status.SENDING)
    now = timezone.now()
    if not sending.filter(wake_at=delivery.wake_at).update(wake_at=now):
        return False
    note_repair(job, f"The delivery to {delivery.destination} was stuck: made due.")
    return True
