"""Pauses of new starts: tried again cheaply, ended when their reason is gone."""

from datetime import timedelta

from django.utils import timezone

from jobs.models import Pause
from jobs.provider.base import ProviderFault

PROBE_EVERY = timedelta(seconds=30)


def claim_probes() -> list[Pause]:
    """The pauses whose reason is to be tried now, by us alone."""
    now = timezone.now()
    due = Pause.objects.of_starts().filter(probe_at__lte=now)
    return [
        pause
        for pause in due
        if Pause.objects.filter(pk=pause.pk, probe_at=pause.probe_at).update(
            probe_at=now + PROBE_EVERY
        )
    ]


def note_probe(pause: Pause, fault: ProviderFault | None) -> None:
    """End the pause, or say what still stands in the way."""
    row = Pause.objects.active().filter(pk=pause.pk)
    if fault is None:
        row.update(ended_at=timezone.now())
    else:
        row.update(note=fault.message[:500])
