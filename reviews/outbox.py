"""The outbox: a minute and a half of sending what was approved.

Arranged like the sweep (jobs/sweep.py), in the other cluster. Threads only talk to
receivers; claims and records are made here, on the task's own connection.
"""

import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import timedelta

from django.utils import timezone

from jobs.models import Sweep
from jobs.pulse import Pulse
from jobs.sweep import is_late
from reviews.delivery.answer import Answer
from reviews.services.sending import Parcel, claim_deliveries, record

ROOM = 16  # deliveries in flight: a slow receiver delays nobody else
TICK = 0.5  # seconds
LIFE = timedelta(seconds=95)  # the schedule's period, and half a minute of overlap
Sent = Future[tuple[Answer, int]]


def outbox(intended: str = "") -> dict[str, int]:
    """Send what is due, until our time is over."""
    if is_late(intended):
        return {"skipped": 1}
    pulse, until = Pulse(Sweep.OUTBOX), timezone.now() + LIFE
    with ThreadPoolExecutor(ROOM) as threads:
        flying: dict[Sent, Parcel] = {}
        while pulse.beats() and timezone.now() < until:
            for parcel in claim_deliveries(ROOM - len(flying)):
                flying[threads.submit(parcel.send)] = parcel
            pulse.handled += land(flying, TICK)
        while flying:
            pulse.handled += land(flying, None)
    return pulse.end()


def land(flying: dict[Sent, Parcel], patience: float | None) -> int:
    """Record those that are back; waits for one, at most `patience` seconds."""
    if not flying:
        time.sleep(patience or 0)
        return 0
    done, _ = wait(flying, timeout=patience, return_when=FIRST_COMPLETED)
    for sent in done:
        record(flying.pop(sent), *sent.result())
    return len(done)
