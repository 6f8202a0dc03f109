"""The cleanup: erases and purges in small batches, and goes on next time.

Started every hour, it ends within a task's time-out wherever it is.
"""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from django.utils import timezone

from jobs.models import JobType, Sweep
from jobs.pulse import Pulse
from jobs.services.erase import (
    count_erasable,
    count_kept,
    erase_some,
    take_out_old,
)
from jobs.services.purge import OLD

LIFE = 100  # seconds; well within the time-out of a task


@dataclass
class Cleaned:
    """Rows by kind: of each job type, kept ones by reason, and what was just old."""

    erased: dict[JobType, Counter[str]] = field(default_factory=dict)
    kept: dict[JobType, Counter[str]] = field(default_factory=dict)
    purged: Counter[str] = field(default_factory=Counter)

    @property
    def rows(self) -> int:
        erased = sum(count.total() for count in self.erased.values())
        return erased + self.purged.total()


def hourly() -> dict[str, int]:
    """What the schedule starts; what is left then has its turn in the next hour."""
    pulse, until = Pulse(Sweep.CLEANUP), time.monotonic() + LIFE
    for rows in _batches(Cleaned(), timezone.now()):
        pulse.handled += rows
        if time.monotonic() > until or not pulse.beats():
            break
    return pulse.end()


def clean_up() -> Cleaned:
    """All that is due now, however long it takes."""
    cleaned, now = Cleaned(), timezone.now()
    for _ in _batches(cleaned, now):
        pass
    cleaned.kept = _kept(now)
    return cleaned


def would_clean_up() -> Cleaned:
    """What clean_up() would do now; changes nothing."""
    now = timezone.now()
    return Cleaned(
        {job_type: count_erasable(job_type, now) for job_type in _types()},
        _kept(now),
        +Counter({old.kind: old.rows(now).count() for old in OLD}),
    )


def _batches(cleaned: Cleaned, now: datetime) -> Iterator[int]:
    """One batch at a time, noted as it is done."""
    for job_type in _types():
        take_out_old(job_type, now)
        total = cleaned.erased.setdefault(job_type, Counter())
        while count := erase_some(job_type, now):
            total.update(count)
            yield count.total()
    for old in OLD:
        while rows := old.delete_some(now):
            cleaned.purged[old.kind] += rows
            yield rows


def _kept(now: datetime) -> dict[JobType, Counter[str]]:
    return {job_type: count_kept(job_type, now) for job_type in _types()}


def _types() -> Iterator[JobType]:
    yield from JobType.objects.exclude(keep_days=None).order_by("name")
