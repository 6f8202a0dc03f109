"""Pauses of new starts: tried again cheaply, ended when their reason is gone."""

from datetime import datetime, timedelta

from django.utils import timezone

from jobs.models import Pause
from jobs.policy.failures import FailureClass
from jobs.provider.base import ProviderFault

PROBE_EVERY = timedelta(seconds=30)
QUOTA = FailureClass.QUOTA.value


def claim_probes() -> list[Pause]:
    """The pauses of which a cheap call tells whether their reason is gone.

    Of a quota it does not: only a start tells, see quota_probe().
    """
    now = timezone.now()
    due = Pause.objects.of_starts().filter(probe_at__lte=now).exclude(reason=QUOTA)
    return [pause for pause in due if _take(pause, now)]


def quota_probe(now: datetime) -> Pause | None:
    """The pause that one job may try now; None while another reason stands too."""
    active = list(Pause.objects.of_starts())
    if any(pause.reason != QUOTA or not pause.is_due(now) for pause in active):
        return None
    return next((pause for pause in active if _take(pause, now)), None)


def _take(pause: Pause, now: datetime) -> bool:
    """Whether it is ours to try, and nobody else's."""
    as_read = Pause.objects.active().filter(pk=pause.pk, probe_at=pause.probe_at)
    return bool(as_read.update(probe_at=now + PROBE_EVERY))


def note_probe(pause: Pause, fault: ProviderFault | None) -> None:
    """End the pause, or say what still stands in the way."""
    if fault is None:
        end_pause(pause, timezone.now())
    else:
        Pause.objects.active().filter(pk=pause.pk).update(note=fault.message[:500])


def end_pause(pause: Pause, now: datetime) -> None:
    """Its reason is gone: what waited for it starts."""
    Pause.objects.active().filter(pk=pause.pk).update(ended_at=now)
