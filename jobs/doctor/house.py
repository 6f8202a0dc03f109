"""Checks of what runs around the rows: schedules, clusters, settings, migrations."""

from collections.abc import Iterator
from datetime import timedelta
from functools import partial

from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from jobs import queue
from jobs.doctor.checks import About, Found, Scope, finds
from jobs.models import Sweep
from jobs.services import mend

SILENT = timedelta(minutes=2)  # a sweep beats every second, the next starts in a minute
DEAD = timedelta(minutes=5)  # longer than any task may take
LANES = (Sweep.PROVIDER, Sweep.OUTBOX)


@finds("schedule_wrong", About.HOUSE)
def schedule_wrong(scope: Scope) -> Iterator[Found]:
    for name in queue.wrong_schedules(settings.SWEEPS):
        yield Found(
            f"schedule {name}",
            "It is missing, or not what it should be: it is to be made anew.",
            mend_schedules,
        )


def mend_schedules() -> bool:
    queue.ensure_schedules(settings.SWEEPS)
    return True


@finds("cluster_silent", About.HOUSE)
def cluster_silent(scope: Scope) -> Iterator[Found]:
    for lane in LANES:
        beat = Sweep.objects.last_beat(lane)
        if beat is None or beat < scope.now - SILENT:
            since = f"since {beat:%d %b %H:%M} UTC" if beat else "so far"
            yield Found(
                f"lane {lane}",
                f"No sign of life {since}: start a worker with manage.py worker.",
            )


@finds("sweep_died", About.HOUSE)
def sweep_died(scope: Scope) -> Iterator[Found]:
    for sweep in Sweep.objects.filter(ended_at=None, beat_at__lt=scope.now - DEAD):
        yield Found(
            f"sweep {sweep.pk}",
            f"Process {sweep.pid} at {sweep.host} gave no sign of life since "
            f"{sweep.beat_at:%d %b %H:%M} UTC and has not ended: its row is to be "
            "closed.",
            partial(mend.end_dead, sweep),
        )


@finds("migrations_missing", About.HOUSE)
def migrations_missing(scope: Scope) -> Iterator[Found]:
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        yield Found(
            "database", f"{len(missing)} migrations are missing: run manage.py migrate."
        )


@finds("provider_not_set", About.HOUSE)
def provider_not_set(scope: Scope) -> Iterator[Found]:
    if settings.PROVIDER not in ("openai", "sandbox"):
        yield Found("settings", "PROVIDER is not set: choose openai or sandbox.")
    elif settings.PROVIDER == "openai" and not settings.OPENAI_API_KEY:
        yield Found("settings", "OPENAI_API_KEY is empty: no job can be started.")
