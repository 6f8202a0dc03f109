"""For whoever watches us: alive, ready, and how fresh the work is."""

from datetime import datetime
from typing import Any

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.utils import timezone

from jobs.models import Job, Pause, Sweep

SILENT = 60  # seconds without a beat: the worker is not at work


def healthz(request: HttpRequest) -> JsonResponse:
    """The process answers."""
    return JsonResponse({"status": "ok"})


def readyz(request: HttpRequest) -> JsonResponse:
    """The database answers, and is migrated."""
    try:
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError:
        return JsonResponse({"status": "the database does not answer"}, status=503)
    if missing:
        return JsonResponse(
            {"status": f"{len(missing)} migrations missing"}, status=503
        )
    return JsonResponse({"status": "ok"})


def statusz(request: HttpRequest) -> JsonResponse:
    """how fresh each lane is, and what waits; 503 if one is silent."""
    now = timezone.now()
    ages = {lane: age_of(lane, now) for lane in (Sweep.PROVIDER, Sweep.OUTBOX)}
    silent = [lane for lane, age in ages.items() if age is None or age > SILENT]
    said: dict[str, Any] = {
        "status": f"silent: {', '.join(silent)}" if silent else "ok",
        "seconds_since_beat": ages,
        "jobs": Job.objects.counts_by_status(),
        "pauses": Pause.objects.active().count(),
    }
    return JsonResponse(said, status=503 if silent else 200)


def age_of(lane: str, now: datetime) -> float | None:
    """Seconds since this lane's last beat; None if there never was one."""
    beat = Sweep.objects.last_beat(lane)
    return round((now - beat).total_seconds(), 1) if beat else None
