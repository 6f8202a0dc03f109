"""Claiming what is due: nobody else sees a claimed row until its lease is over.

A lease that ran out unanswered means that whoever held it died. A job to which that
happens twice in a row is handled alone from then on; when it happens twice more, it is
given up.
"""

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from jobs.kit.rows import write_rows
from jobs.models import Attempt, Job, Pause
from jobs.models.job import JobQuerySet
from jobs.services.errands import LEASE, Errand, Kind
from jobs.services.expire import end_overdue, end_unanswered_calls
from jobs.services.failures import end_poisoned, end_unanswered
from jobs.services.limits import StartRoom
from jobs.services.look_ups import answer_themselves
from jobs.services.pauses import quota_probe
from jobs.services.start import begin_attempts, look_at
from jobs.services.turns import take_turns

SUSPECT = 2  # lost leases in a row, after which a job is handled alone
POISON = 4  # and after which it is not handled any more
Status = Job.Status


def claim_jobs(room: int) -> list[Errand]:
    """Take up to `room` due jobs: end the overdue, look at the running, begin others.

    Jobs in another hand are skipped. Attempt rows are written here, before any call.
    """
    now = timezone.now()
    due = Job.objects.due(now)
    if room <= 0 or not due.exists():  # a look takes no lock, and is what we do most
        return []
    _end_overdue(due, now)
    due = due.filter(lost_leases__lt=SUSPECT)
    looks = _claim_looks(due, room, now)
    return looks + _claim_starts(due, room - len(looks), now)


def claim_suspect() -> list[Errand]:
    """Take one due job whose handling seems to kill workers; to be handled alone."""
    now = timezone.now()
    due = Job.objects.due(now).filter(lost_leases__gte=SUSPECT)
    if not due.exists():
        return []
    return _claim_looks(due, 1, now) or _claim_starts(due, 1, now)


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


def _end_overdue(due: JobQuerySet, now: datetime) -> None:
    overdue, waiting = due.overdue(now), due.filter(status=Status.REQUIRES_ACTION)
    if not (overdue | waiting).exists():
        return
    with transaction.atomic():
        if late := _locked(overdue, 100):
            end_overdue(late, now)
        unanswered = waiting.exclude(answer_themselves())
        end_unanswered_calls(_locked(unanswered, 100), now)


def _claim_looks(due: JobQuerySet, room: int, now: datetime) -> list[Errand]:
    running = due.filter(status=Status.RUNNING)
    if room <= 0 or not running.exists():
        return []
    with transaction.atomic():
        jobs = _lease(_count_lost(_locked(running, room), now), now)
        return look_at(jobs, now + LEASE)


def _claim_starts(due: JobQuerySet, room: int, now: datetime) -> list[Errand]:
    queued = due.filter(status=Status.QUEUED)
    if room <= 0 or not queued.exists():
        return []
    in_turn = queued.in_turn()
    if not in_turn.exists():  # takes several times as long to ask
        return []
    with transaction.atomic():
        return _start(in_turn, room, now)


def _start(queued: JobQuerySet, room: int, now: datetime) -> list[Errand]:
    """While starts are paused nothing begins, but one job that tries the quota."""
    probe = None
    if Pause.objects.of_starts().exists():
        probe = quota_probe(now)
        if probe is None:
            return []
        room = 1
    limits = StartRoom(now)
    jobs = limits.take(_locked(limits.exclude_full(queued), limits.cap(room)))
    jobs = end_unanswered(_count_lost(take_turns(jobs, now), now), now)
    errands = begin_attempts(_lease(jobs, now), now + LEASE, now)
    for errand in errands:
        errand.probe = probe
    return errands


def _locked(due: JobQuerySet, room: int) -> list[Job]:
    rows = due.select_related("version__job_type")
    return list(rows.select_for_update(skip_locked=True, of=("self",))[:room])


def _count_lost(jobs: list[Job], now: datetime) -> list[Job]:
    """Count the leases that died; gives back the jobs that are handled all the same."""
    lost = [job for job in jobs if job.lease_until]
    for job in lost:
        job.lost_leases, job.lease_until = job.lost_leases + 1, None
    if lost:
        write_rows(Job.objects.all(), lost, ["lost_leases", "lease_until"])
    poisoned = [job for job in lost if job.lost_leases >= POISON]
    end_poisoned(poisoned, now)
    return [job for job in jobs if job not in poisoned]


def _lease(jobs: list[Job], now: datetime) -> list[Job]:
    """Ours until the lease is over."""
    lease, ids = now + LEASE, [job.pk for job in jobs]
    Job.objects.filter(pk__in=ids).update(wake_at=lease, lease_until=lease)
    return jobs
