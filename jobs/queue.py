"""The schedules, and the only caller of django_q: the queue is a doorbell."""

from dataclasses import dataclass

from django_q.models import Schedule
from django_q.tasks import async_task

SWEEPS = "sweeps"
DEFAULT = "default"


@dataclass(frozen=True)
class Regular:
    """A task that is started every minute, named by its dotted path."""

    name: str
    path: str
    cluster: str


REGULARS = [
    Regular("sweep", "jobs.sweep.sweep", SWEEPS),
    Regular("outbox", "reviews.outbox.outbox", DEFAULT),
    Regular("reminders", "reviews.reminders.reminders", DEFAULT),
]


def ensure_schedules(lanes: int) -> None:
    """Make the schedules what they should be; `lanes` sweeps start every minute."""
    wanted = {
        f"{regular.name} {lane}": regular
        for regular in REGULARS
        for lane in range(1, (lanes if regular.cluster == SWEEPS else 1) + 1)
    }
    for name, regular in wanted.items():
        Schedule.objects.update_or_create(
            name=name,
            defaults={
                "func": regular.path,
                "cluster": regular.cluster,
                "schedule_type": Schedule.MINUTES,
                "minutes": 1,
                "repeats": -1,
                "intended_date_kwarg": "intended",
            },
        )
    ours = Schedule.objects.filter(func__in=[regular.path for regular in REGULARS])
    ours.exclude(name__in=wanted).delete()


def ring(cluster: str) -> None:
    """Start this cluster's regular task now: the scheduler would take half a minute."""
    for regular in REGULARS:
        if regular.cluster == cluster:
            async_task(regular.path, cluster=cluster)
