"""The schedules, and the only caller of django_q: the queue is a doorbell."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import DatabaseError
from django.db.models import QuerySet
from django_q.models import Schedule, Task
from django_q.tasks import async_task

SWEEPS = "sweeps"
DEFAULT = "default"
HOUR, DAY = 60, 24 * 60  # minutes


@dataclass(frozen=True)
class Regular:
    """A task that is started regularly, named by its dotted path.

    One that starts every minute is told when it was meant to: late ones return.
    """

    name: str
    path: str
    cluster: str
    minutes: int = 1

    @property
    def is_constant(self) -> bool:
        """Missed at once: a cluster begins with one, and a late one is dropped."""
        return self.minutes == 1


REGULARS = [
    Regular("sweep", "jobs.sweep.sweep", SWEEPS),
    Regular("outbox", "reviews.outbox.outbox", DEFAULT),
    Regular("reminders", "reviews.reminders.reminders", DEFAULT),
    Regular("cleanup", "jobs.cleanup.hourly", DEFAULT, HOUR),
    Regular("doctor", "jobs.doctor.visit.daily", DEFAULT, DAY),
]


def ensure_schedules(lanes: int) -> None:
    """Make the schedules what they should be; `lanes` sweeps start every minute."""
    wanted = _wanted(lanes)
    for name, fields in wanted.items():
        Schedule.objects.update_or_create(name=name, defaults=fields)
    _ours().exclude(name__in=wanted).delete()


def wrong_schedules(lanes: int) -> list[str]:
    """The names of those that are missing, too many, or not what they should be."""
    wanted = _wanted(lanes)
    right = [n for n, f in wanted.items() if Schedule.objects.filter(name=n, **f)]
    too_many = _ours().exclude(name__in=wanted).values_list("name", flat=True)
    return [*(name for name in wanted if name not in right), *too_many]


def finished_tasks(before: datetime) -> QuerySet[Task]:
    """The queue's own rows of tasks that ended before then."""
    return Task.objects.filter(stopped__lt=before)


def ring(cluster: str) -> None:
    """Start what this cluster always has at work: the scheduler takes half a minute.

    While the queue is away nobody hears it, and the schedule does the same later.
    """
    for regular in REGULARS:
        if regular.cluster == cluster and regular.is_constant:
            with suppress(*_being_away()):
                async_task(regular.path, cluster=cluster)


def _being_away() -> tuple[type[Exception], ...]:
    """What is raised while the queue is."""
    if "redis" not in settings.Q_CLUSTER:
        return (DatabaseError,)
    from redis import RedisError  # slow to load

    return DatabaseError, RedisError


def _wanted(lanes: int) -> dict[str, dict[str, Any]]:
    return {
        f"{regular.name} {lane}": {
            "func": regular.path,
            "cluster": regular.cluster,
            "schedule_type": Schedule.MINUTES,
            "minutes": regular.minutes,
            "repeats": -1,
            "intended_date_kwarg": "intended" if regular.is_constant else None,
        }
        for regular in REGULARS
        for lane in range(1, (lanes if regular.cluster == SWEEPS else 1) + 1)
    }


def _ours() -> QuerySet[Schedule]:
    return Schedule.objects.filter(func__in=[regular.path for regular in REGULARS])
