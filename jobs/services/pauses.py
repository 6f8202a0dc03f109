"""Pauses of new starts: tried again cheaply, ended when their reason is gone."""

from datetime import datetime, timedelta

import structlog
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone

from jobs.kit.rights import name_of, require
from jobs.lifecycle import MoveRefused
from jobs.models import Pause
from jobs.policy.failures import FailureClass
from jobs.provider.base import ProviderFault

log = structlog.get_logger(__name__)
SOONEST, LATEST = timedelta(seconds=30), timedelta(minutes=10)
SHARE = 0.1  # of its age: a pause of days is not tried thousands of times
FORBIDDEN = 403
PERSON = "person"
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
    wait = min(max((now - pause.began_at) * SHARE, SOONEST), LATEST)
    return bool(as_read.update(probe_at=now + wait))


def note_probe(pause: Pause, fault: ProviderFault | None) -> None:
    """End the pause, or say what still stands in the way.

    A key that may not list models is a key: whether it may start, a start will tell.
    """
    if fault is None or fault.http_status == FORBIDDEN:
        end_pause(pause, timezone.now())
    else:
        Pause.objects.active().filter(pk=pause.pk).update(note=fault.message[:500])


def pause_starts(*, by: User, note: str = "") -> Pause:
    """No job begins until a person ends it; what runs is looked at as ever."""
    require(by, "jobs.add_pause")
    try:
        with transaction.atomic():
            return Pause.objects.create(
                scope=Pause.STARTS,
                reason=PERSON,
                note=note[:500],
                actor=name_of(by),
                began_at=timezone.now(),
            )
    except IntegrityError as error:
        raise MoveRefused("New starts are paused already.") from error


def resume_starts(pause: Pause, *, by: User) -> None:
    """End this pause of new starts, whatever its reason was."""
    require(by, "jobs.change_pause")
    active = Pause.objects.of_starts().filter(pk=pause.pk)
    if not active.update(ended_at=timezone.now()):
        raise MoveRefused("It is over, or holds deliveries: see their pages.")
    log.info("starts were resumed", reason=pause.reason, actor=name_of(by))


def end_pause(pause: Pause, now: datetime) -> None:
    """Its reason is gone: what waited for it starts."""
    Pause.objects.active().filter(pk=pause.pk).update(ended_at=now)
