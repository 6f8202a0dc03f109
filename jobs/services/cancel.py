"""Cancelling: at once for us, and at the provider as soon as the sweep gets there."""

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from jobs.explain import explain
from jobs.kit.rights import name_of, require
from jobs.lifecycle import MoveRefused, lock
from jobs.models import Job
from jobs.models.job import BEFORE_COMPLETION
from jobs.services.expire import close_attempts


@transaction.atomic
def cancel_job(job: Job, *, by: User, note: str = "", shown: str | None = None) -> Job:
    """Cancel it, unless it moved since it was read; raises MoveRefused then.

    `shown` is the `as_shown` of the page on which this was decided: an answer that the
    page did not show is not thrown away.
    """
    require(by, "jobs.cancel_job")
    (as_stored,) = lock(Job.objects.filter(pk=job.pk))
    if shown is not None and not _is_as_shown(as_stored, shown):
        raise MoveRefused(_news(as_stored, shown))
    job.move(Job.Status.CANCELLED, actor=name_of(by), note=note)
    close_attempts([job], timezone.now())
    return job


def _is_as_shown(job: Job, shown: str) -> bool:
    """Until it completes, one status is as good as another."""
    if job.status in BEFORE_COMPLETION:
        return shown.partition(" ")[0] in ("", *BEFORE_COMPLETION)
    return shown == job.as_shown


def _news(job: Job, shown: str) -> str:
    answered = job.status == Job.Status.AWAITING_REVIEW
    is_new = answered and not shown.startswith(job.status)
    what = "has an answer by now" if is_new else "has moved on"
    return f"It {what}, so it was not cancelled: {explain(job).sentence}"
