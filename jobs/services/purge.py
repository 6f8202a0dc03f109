"""Purging: rows that only help for a while are deleted when they are old."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.sessions.models import Session
from django.db.models import QuerySet

from jobs import queue
from jobs.models import ApiToken, Finding, IdempotencyKey, Sweep, WebhookReceipt

AT_ONCE = 500  # rows in one transaction


@dataclass(frozen=True)
class Old:
    """Rows of one kind that nobody needs any more."""

    kind: str
    rows: Callable[[datetime], QuerySet[Any]]

    def delete_some(self, now: datetime) -> int:
        """Delete one small batch; says how many there were."""
        rows = self.rows(now)
        ids = list(rows.order_by("pk").values_list("pk", flat=True)[:AT_ONCE])
        rows.model._default_manager.filter(pk__in=ids).delete()
        return len(ids)


def _days(n: int) -> timedelta:
    return timedelta(days=n)


OLD = [
    Old(
        "webhook receipts",  # the provider sends an event again for three days
        lambda now: WebhookReceipt.objects.filter(received_at__lt=now - _days(30)),
    ),
    Old(
        "idempotency keys",
        lambda now: IdempotencyKey.objects.filter(created_at__lt=now - _days(1)),
    ),
    Old("sweeps", lambda now: Sweep.objects.filter(beat_at__lt=now - _days(7))),
    Old("finished tasks", lambda now: queue.finished_tasks(now - _days(7))),
    Old("findings", lambda now: Finding.objects.filter(gone_at__lt=now - _days(90))),
    Old("sessions", lambda now: Session.objects.filter(expire_date__lt=now)),
    Old("API tokens", lambda now: ApiToken.objects.filter(expiry__lt=now)),
]
