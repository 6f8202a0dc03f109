"""What the doctor may do: each looks again under the lock, and leaves a line."""

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from jobs.lifecycle import Line, add_events, lock
from jobs.models import Job, Pause, Sweep
from jobs.models.job import ASKED_ABOUT, BEFORE_COMPLETION

DOCTOR = "doctor"  # who stands in the history
REPAIRED = "repaired"


@transaction.atomic
def follow_accepted(job: Job) -> bool:
    """Running, as the provider has it: the next look goes to the open attempt."""
    (job,) = lock(Job.objects.filter(pk=job.pk))
    accepted = job.attempts.filter(ended_at=None).exclude(response_id=None)
    if job.status != Job.Status.QUEUED or not accepted.exists():
        return False
    now, note = timezone.now(), "The provider has accepted it."
    job.move(
        Job.Status.RUNNING,
        actor=DOCTOR,
        note=note,
        wake_at=now,
        started_at=job.started_at or now,
    )
    return True


@transaction.atomic
def wake_forgotten(job: Job) -> bool:
    """At once, if the provider is asked about it; else when its time is up."""
    (job,) = lock(Job.objects.filter(pk=job.pk))
    if job.wake_at is not None or job.status not in BEFORE_COMPLETION:
        return False
    asked = job.status in ASKED_ABOUT
    wake(job, timezone.now() if asked else job.deadline_at)
    return True


def wake(job: Job, at: datetime) -> None:
    """Have this locked job looked at then, and say who saw to it."""
    Job.objects.filter(pk=job.pk).update(wake_at=at)
    note_repair(job, f"Nothing would have looked at it: woken at {at:%d %b %H:%M} UTC.")


def note_repair(job: Job, note: str) -> None:
    """The line in the history of a locked job that the doctor mended."""
    add_events([Line(job.history, REPAIRED, note)], actor=DOCTOR)


def end_dead(sweep: Sweep) -> bool:
    """Its process is gone, and so is whatever it had in hand when its lease is over."""
    same_beat = Sweep.objects.filter(pk=sweep.pk, ended_at=None, beat_at=sweep.beat_at)
    return bool(same_beat.update(ended_at=timezone.now()))


def probe(pause: Pause) -> bool:
    """Have the next sweep try whether its reason is gone."""
    unprobed = Pause.objects.active().filter(pk=pause.pk, probe_at=None)
    return bool(unprobed.update(probe_at=timezone.now()))
