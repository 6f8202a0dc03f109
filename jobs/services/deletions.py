"""Deleting the provider's copies of what we erased; the sweep carries the errands."""

from collections.abc import Sequence
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from jobs.models import Attempt
from jobs.provider.base import ProviderFault
from jobs.services.errands import LEASE, Errand, Kind

AGAIN = timedelta(minutes=10)  # after whatever kept the provider from it
NOT_THERE = 404


def claim_deletions(room: int) -> list[Errand]:
    """Take up to `room` attempts whose response is to be deleted."""
    now = timezone.now()
    due = Attempt.objects.to_delete(now)
    if room <= 0 or not due.exists():
        return []
    with transaction.atomic():
        rows = due.select_related("job__version__job_type")
        attempts = list(rows.select_for_update(skip_locked=True, of=("self",))[:room])
        lease, ids = now + LEASE, [attempt.pk for attempt in attempts]
        Attempt.objects.filter(pk__in=ids).update(delete_at=lease)
    return [Errand(Kind.DELETE, a.job, a, lease) for a in attempts]


def note_deletions(errands: Sequence[Errand]) -> None:
    """Deleted, or not there any more; otherwise it is tried again later."""
    now = timezone.now()
    for errand in errands:
        row = Attempt.objects.filter(pk=errand.attempt.pk, delete_at=errand.lease)
        if _is_gone(errand):
            row.update(delete_at=None, deleted_at=now)
        else:
            row.update(delete_at=now + AGAIN)


def _is_gone(errand: Errand) -> bool:
    fault = errand.reply
    return not isinstance(fault, ProviderFault) or fault.http_status == NOT_THERE
