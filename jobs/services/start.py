"""Claiming what is due: nobody else sees a claimed row until its lease is over."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from jobs.models import Attempt, Job, Pause
from jobs.models.job import JobQuerySet
from jobs.provider.base import StartRequest
from jobs.services.errands import Errand, Kind
from jobs.services.expire import end_overdue
from jobs.services.failures import end_unanswered

# A request takes at most 12 s (PATIENCE in provider/openai.py): nobody asks a second
# time while the first may still be under way.
LEASE = timedelta(seconds=15)
Reason = Attempt.Reason


def claim_jobs(room: int) -> list[Errand]:
    """Take up to `room` due jobs: end the overdue, begin the queued, look at the rest.

    A job in another hand is skipped. Attempt rows are written here, before any call.
    """
    now = timezone.now()
    due = _claimable(now)
    if room <= 0 or not due.exists():  # a look takes no lock, and is what we do most
        return []
    with transaction.atomic():
        rows = due.select_related("version__job_type")
        jobs = list(rows.select_for_update(skip_locked=True, of=("self",))[:room])
        going, lease = end_overdue(jobs, now), now + LEASE
        Job.objects.filter(pk__in=[job.pk for job in going]).update(wake_at=lease)
        queued = [job for job in going if job.status == Job.Status.QUEUED]
        running = [job for job in going if job.status == Job.Status.RUNNING]
        return _begin(queued, lease, now) + _look_at(running, lease)


def claim_unsettled(room: int) -> list[Errand]:
    """Take attempts that ended here and may still run there: they are stopped."""
    now = timezone.now()
    due = Attempt.objects.unsettled(now)
    if room <= 0 or not due.exists():
        return []
    with transaction.atomic():
        rows = due.select_related("job__version__job_type")
        attempts = list(rows.select_for_update(skip_locked=True, of=("self",))[:room])
        lease, ids = now + LEASE, [attempt.pk for attempt in attempts]
        Attempt.objects.filter(pk__in=ids).update(wake_at=lease)
    return [Errand(Kind.STOP, a.job, a, lease) for a in attempts]


def _claimable(now: datetime) -> JobQuerySet:
    """What is due; while new starts are paused, queued jobs wait."""
    due = Job.objects.due(now)
    if Pause.objects.of_starts().exists():
        return due.exclude(status=Job.Status.QUEUED, deadline_at__gt=now)
    return due


def _begin(queued: list[Job], lease: datetime, now: datetime) -> list[Errand]:
    """A new attempt for each; one that was left open died before it was answered."""
    queued = end_unanswered(queued, now, LEASE)
    last = _last_attempts(queued)
    attempts = [_next_attempt(job, last.get(job.pk), now) for job in queued]
    Attempt.objects.bulk_create(attempts)
    return [
        Errand(Kind.START, job, attempt, lease, _request(job, attempt))
        for job, attempt in zip(queued, attempts, strict=True)
    ]


def _look_at(running: list[Job], lease: datetime) -> list[Errand]:
    attempts = Attempt.objects.filter(job__in=running, ended_at=None)
    open_now = {attempt.job_id: attempt for attempt in attempts}
    return [
        Errand(Kind.LOOK, job, open_now[job.pk], lease)
        for job in running
        if job.pk in open_now
    ]


def _last_attempts(jobs: Iterable[Job]) -> dict[int, Attempt]:
    found = Attempt.objects.filter(job__in=jobs).order_by("job_id", "number")
    return {attempt.job_id: attempt for attempt in found}


def _next_attempt(job: Job, last: Attempt | None, now: datetime) -> Attempt:
    """Its tries count since a person last set it going."""
    if last is None:
        return Attempt(job=job, number=1, created_at=now)
    goes_on = job.next_reason == Reason.RETRY
    return Attempt(
        job=job,
        number=last.number + 1,
        tries=last.tries + 1 if goes_on else 1,
        reason=job.next_reason,
        created_at=now,
    )


def _request(job: Job, attempt: Attempt) -> StartRequest:
    version = job.version
    return StartRequest(
        model=version.model,
        prompt=version.render_prompt(job.input),
        instructions=version.instructions,
        max_output_tokens=version.max_output_tokens,
        metadata={
            "instance": settings.INSTANCE_ID,
            "job": str(job.public_id),
            "attempt": str(attempt.uuid),
        },
        output_schema=version.output_schema,
        tools=tuple(version.tools),
        options=version.options,
    )
