"""The sweep: a minute and a half of starting and asking, many requests in flight.

A schedule starts one every minute, so that the next is at work before the last one
ends; where two overlap they share the work by claiming.
"""

from datetime import timedelta

from django.db import connection
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from jobs.courier import Courier, Probe
from jobs.models import Sweep, Thread
from jobs.pulse import Pulse
from jobs.services.claim import claim_jobs, claim_suspect, claim_unsettled
from jobs.services.deletions import claim_deletions, note_deletions
from jobs.services.errands import Errand, Kind
from jobs.services.inquiries import Inquiry, claim_inquiries, conclude
from jobs.services.liveness import watch_webhooks
from jobs.services.look_ups import LookUp, claim_look_ups, note_look_up
from jobs.services.observe import apply
from jobs.services.pauses import claim_probes, note_probe
from jobs.services.thread_steps import (
    ThreadErrand,
    claim_thread_steps,
    note_thread_step,
)
from jobs.services.turns import release_turns

TICK = 0.5  # seconds between two looks for due rows
LIFE = timedelta(seconds=95)  # the schedule's period, and half a minute of overlap
LATE = timedelta(seconds=90)  # waited longer in the queue? younger ones are at work
LAST_REPLIES = 12  # seconds; the patience of one request
# SQLite has one writer at a time: small batches let others in between (9 ms each).
BATCH = {"sqlite": 10, "postgresql": 100}


def sweep(intended: str = "") -> dict[str, int]:
    """Start what is queued and look at what runs, until our time is over."""
    if is_late(intended):
        return {"skipped": 1}
    pulse, until = Pulse(Sweep.PROVIDER), timezone.now() + LIFE
    with Courier() as courier:
        while pulse.beats() and timezone.now() < until:
            pulse.handled += turn(courier, TICK)
        while courier.in_flight and (done := receive(courier, LAST_REPLIES)):
            pulse.handled += done
    return pulse.end()


def is_late(intended: str) -> bool:
    """Whether a task that was meant for `intended` waited too long to be of use."""
    at = parse_datetime(intended) if intended else None
    return at is not None and timezone.now() > at + LATE


def turn(courier: Courier, wait: float) -> int:
    """Send what is due, apply what is back; says how many answers were applied."""
    if not courier.in_flight:
        handle_suspect(courier)
    most = BATCH[connection.vendor]
    if Thread.objects.exists():  # without one, four questions less
        release_turns()
        courier.send(claim_thread_steps(min(courier.room, most)))
    courier.send(claim_jobs(min(courier.room, most)))
    courier.send(claim_unsettled(min(courier.room, most)))
    courier.send(claim_inquiries(min(courier.room, most)))
    courier.send(claim_deletions(min(courier.room, most)))
    courier.send(claim_look_ups(min(courier.room, most)))
    courier.send(Probe(pause) for pause in claim_probes())
    watch_webhooks()
    return receive(courier, wait)


def handle_suspect(courier: Courier) -> None:
    """With nothing else in hand: whoever dies now, dies of that job."""
    courier.send(claim_suspect())
    while courier.in_flight and receive(courier, LAST_REPLIES):
        pass


def receive(courier: Courier, wait: float) -> int:
    """Apply the replies that are back, in one small batch."""
    back = courier.collect(wait=wait, most=BATCH[connection.vendor])
    for probe in back:
        if isinstance(probe, Probe):
            note_probe(probe.pause, probe.reply)
        elif isinstance(probe, Inquiry):
            conclude(probe)
        elif isinstance(probe, LookUp):
            note_look_up(probe)
        elif isinstance(probe, ThreadErrand):
            note_thread_step(probe)
    errands = [errand for errand in back if isinstance(errand, Errand)]
    note_deletions([errand for errand in errands if errand.kind is Kind.DELETE])
    answers = [errand for errand in errands if errand.kind is not Kind.DELETE]
    if answers:
        apply(answers)
    return len(back)
