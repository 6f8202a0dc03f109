"""Destinations that fail rest and heal; one that is gone is switched off."""

from collections.abc import Iterable
from datetime import datetime, timedelta

import structlog
from django.db.models import Count, F

from jobs.lifecycle import Line, add_events
from jobs.models import Pause
from reviews.delivery.answer import Answer
from reviews.delivery.failures import FailureClass
from reviews.models import Delivery, Destination

log = structlog.get_logger(__name__)
TOLERATED = 4  # failures in a row after which a destination rests
FIRST_REST = timedelta(minutes=1)  # doubles with each further failure
LONGEST_REST = timedelta(hours=1)
AT_ONCE = 4  # places of the outbox that one destination may hold


def rest_after(failures: int) -> timedelta | None:
    """How long to leave it in peace after so many failures in a row."""
    if failures < TOLERATED:
        return None
    doublings = min(failures - TOLERATED, 10)
    return min(FIRST_REST * 2**doublings, LONGEST_REST)


def places_left(now: datetime) -> dict[int, int]:
    """Of each destination, how many more may be sent to now; 0 while it waits.

    A failing one whose rest is over gets one try, which heals it or not.
    """
    flying = dict(
        Delivery.objects.in_flight(now)
        .order_by()
        .values_list("destination")
        .annotate(Count("pk"))
    )
    paused = _paused()
    return {
        d.pk: 0 if _waits(d, paused, now) else _room(d) - flying.get(d.pk, 0)
        for d in Destination.objects.only("failures", "rests_until")
    }


def held_back(now: datetime) -> set[int]:
    """The destinations to which nothing is sent now."""
    paused = _paused()
    rows = Destination.objects.only("rests_until")
    return {d.pk for d in rows if _waits(d, paused, now)}


def _paused() -> set[str]:
    """What is paused of deliveries: all of them, or destinations."""
    active = Pause.objects.active().exclude(scope=Pause.STARTS)
    return set(active.values_list("scope", flat=True))


def _waits(destination: Destination, paused: Iterable[str], now: datetime) -> bool:
    if Pause.DELIVERIES in paused or destination.pause_scope in paused:
        return True
    return destination.rests(now)


def _room(destination: Destination) -> int:
    return 1 if destination.failures >= TOLERATED else AT_ONCE


def note_health(delivery: Delivery, answer: Answer, now: datetime) -> None:
    """What this answer tells of the destination itself; the job must be locked."""
    rows = Destination.objects.filter(pk=delivery.destination_id)
    if answer.failure is None:
        rows.exclude(failures=0).update(failures=0, rests_until=None)
    elif answer.failure is FailureClass.TRANSIENT:
        rows.update(failures=F("failures") + 1)
        if rest := rest_after(rows.values_list("failures", flat=True).get()):
            rows.update(rests_until=now + rest)
    elif answer.failure is FailureClass.GONE:
        _switch_off(delivery, answer, now)


def _switch_off(delivery: Delivery, answer: Answer, now: datetime) -> None:
    """Unless it has another address by now; the history and the log say why."""
    destination = delivery.destination
    if destination.current != delivery.destination_version:
        return
    why = f"It answered {answer.why}: gone for good, {now:%d %b %Y %H:%M} UTC."
    active = Destination.objects.filter(pk=destination.pk, is_active=True)
    if not active.update(is_active=False, off_because=why):
        return
    note = f"{destination} was switched off. {why}"
    add_events([Line(delivery.job.history, "destination", note, delivery.told)])
    log.warning("a destination was switched off", destination=destination.pk, why=why)
