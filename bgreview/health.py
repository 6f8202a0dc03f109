"""For whoever watches us: alive, ready, and how fresh the work is."""

from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Any

from django.db import Error as DatabaseTrouble
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.utils import timezone

from jobs.models import Finding, Job, Pause, Sweep

SILENT = 60  # seconds without a beat: the worker is not at work


View = Callable[[HttpRequest], JsonResponse]


def asking_the_database(view: View) -> View:
    """503 and a sentence, not a page about our fault, while it does not answer."""

    @wraps(view)
    def answer(request: HttpRequest) -> JsonResponse:
        try:
            return view(request)
        except DatabaseTrouble:
            return JsonResponse({"status": "the database does not answer"}, status=503)

    return answer


def healthz(request: HttpRequest) -> JsonResponse:
    """The process answers."""
    return JsonResponse({"status": "ok"})


@asking_the_database
def readyz(request: HttpRequest) -> JsonResponse:
    """The database answers, and is migrated."""
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        return JsonResponse(
            {"status": f"{len(missing)} migrations missing"}, status=503
        )
    return JsonResponse({"status": "ok"})


@asking_the_database
def statusz(request: HttpRequest) -> JsonResponse:
    """How fresh each lane is, and what waits; 503 if one is silent."""
    now = timezone.now()
    ages = {lane: age_of(lane, now) for lane in (Sweep.PROVIDER, Sweep.OUTBOX)}
    silent = [lane for lane, age in ages.items() if age is None or age > SILENT]
    said: dict[str, Any] = {
        "status": f"silent: {', '.join(silent)}" if silent else "ok",
        "seconds_since_beat": ages,
        "jobs": Job.objects.counts_by_status(),
        "pauses": Pause.objects.active().count(),
        "doctor": {
            "findings": Finding.objects.open().count(),
            "seconds_since_visit": seconds_since(
                Sweep.objects.last_end(Sweep.DOCTOR), now
            ),
        },
    }
    return JsonResponse(said, status=503 if silent else 200)


def age_of(lane: str, now: datetime) -> float | None:
    """Seconds since this lane's last beat; None if there never was one."""
    return seconds_since(Sweep.objects.last_beat(lane), now)


def seconds_since(at: datetime | None, now: datetime) -> float | None:
    return round((now - at).total_seconds(), 1) if at else None
