"""Olivia at the operators' desk: after the troubles she puts right what they left."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

from django.contrib.auth.models import User
from django.utils import timezone

from bgreview.demo.fates import expected
from bgreview.demo.scenes import Scene
from jobs.lifecycle import MoveRefused
from jobs.models import Job
from jobs.models.job import ASKED_ABOUT
from jobs.services.check import check_job
from jobs.services.retry import RETRYABLE, retry_job
from reviews.models import Delivery
from reviews.services.resend import resend_delivery
from reviews.services.withdraw import confirm_delivery

FAR_OFF = timedelta(seconds=5)
WHY = "Ended by a trouble that is over."
Sent = Delivery.Status


def check_what_waits_long(olivia: User) -> None:
    """What was put off because of a trouble is looked at now."""
    later = timezone.now() + FAR_OFF
    free = Job.objects.filter(status__in=ASKED_ABOUT, lease_until=None)
    for job in free.filter(wake_at__gt=later):
        with suppress(MoveRefused):
            check_job(job, by=olivia)


def retry_what_ended_wrongly(olivia: User, scenes: dict[str, Scene]) -> int:
    """How many; `scenes` by the ids of their jobs."""
    ended = Job.objects.filter(status__in=RETRYABLE)
    wrong = [job for job in ended if _is_wrong(job, scenes[str(job.public_id)])]
    for job in wrong:
        retry_job(job, by=olivia, note=WHY)
    return len(wrong)


def see_to_deliveries(olivia: User, has_arrived: Callable[[str], bool]) -> int:
    """Of a mail only a person can tell whether it has arrived: she looks."""
    rows = Delivery.objects.filter(status__in=[Sent.FAILED, Sent.UNCERTAIN])
    stuck = list(rows.select_related("job"))
    for delivery in stuck:
        if has_arrived(str(delivery.job.public_id)):
            confirm_delivery(delivery, by=olivia)
        else:
            resend_delivery(delivery, by=olivia, note=WHY)
    return len(stuck)


def _is_wrong(job: Job, scene: Scene) -> bool:
    """Whether it ended otherwise than its scene says, or for another reason."""
    wanted = expected(scene, job.latest_result)
    if job.status != wanted.status:
        return True
    return job.status == Job.Status.FAILED and job.failure_class not in wanted.failures
