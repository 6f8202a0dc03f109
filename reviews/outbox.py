"""The outbox: a minute and a half of sending what was approved, and status events.

Arranged like the sweep (jobs/sweep.py), in the other cluster. Threads only talk to
receivers; claims and records are made here, on the task's own connection.
"""

import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import timedelta

from django.utils import timezone

from jobs.models import Sweep
from jobs.pulse import Pulse
from jobs.sweep import is_late
from reviews.delivery.answer import Answer
from reviews.services.calling import Call, claim_callbacks
from reviews.services.sending import Parcel, claim_deliveries

ROOM = 16  # deliveries in flight: a slow receiver delays nobody else
CALLS = 4  # status events in flight: places of their own, so that no delivery waits
TICK = 0.5  # seconds
LIFE = timedelta(seconds=95)  # the schedule's period, and half a minute of overlap
Sent = Future[tuple[Answer, int]]


def outbox(intended: str = "") -> dict[str, int]:
    """Send what is due, until our time is over."""
    if is_late(intended):
        return {"skipped": 1}
    pulse, until = Pulse(Sweep.OUTBOX), timezone.now() + LIFE
    with ThreadPoolExecutor(ROOM + CALLS) as threads:
        flying: dict[Sent, Parcel | Call] = {}
        while pulse.beats() and timezone.now() < until:
            for going in claim(list(flying.values())):
                flying[threads.submit(going.send)] = going
            pulse.handled += land(flying, TICK)
        while flying:
            pulse.handled += land(flying, None)
    return pulse.end()


def claim(flying: Sequence[Parcel | Call]) -> list[Parcel | Call]:
    """What is due and has a place; deliveries first."""
    calls = [going for going in flying if isinstance(going, Call)]
    busy = {call.destination_id for call in calls}
    return [
        *claim_deliveries(ROOM - len(flying) + len(calls)),
        *claim_callbacks(CALLS - len(calls), busy),
    ]


def land(flying: dict[Sent, Parcel | Call], patience: float | None) -> int:
    """Record those that are back; waits for one, at most `patience` seconds."""
    if not flying:
        time.sleep(patience or 0)
        return 0
    done, _ = wait(flying, timeout=patience, return_when=FIRST_COMPLETED)
    for sent in done:
        flying.pop(sent).record(*sent.result())
    return len(done)
