"""Sending what was approved: claim, send, record. The network is between the two."""

import json
import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from jobs.explain import ended
from jobs.lifecycle import lock, move_all
from jobs.models import Job
from reviews.delivery.answer import Answer
from reviews.delivery.email import send_email
from reviews.delivery.failures import FailureClass, Outcome
from reviews.delivery.handler import call_handler
from reviews.delivery.retries import next_send_at
from reviews.delivery.timed import timed
from reviews.delivery.webhook import send_webhook
from reviews.models import Delivery, DeliveryAttempt, Destination
from reviews.models.delivery import DeliveryQuerySet
from reviews.services.gate import why_not
from reviews.services.recovery import recover
from reviews.services.rest import AT_ONCE, note_health, places_left
from reviews.services.settle import settle_job

Status = Delivery.Status
# A try takes at most 15 s (PATIENCE in delivery/webhook.py), mail somewhat longer.
LEASE = timedelta(seconds=60)
ENDS = {  # of a try that is not made again; anything else has failed
    Outcome.DELIVERED: Status.DELIVERED,
    Outcome.UNCERTAIN: Status.UNCERTAIN,
}
PARTS = (
    "job__version",
    "result",
    "decision",
    "destination",
    "destination_version__destination",
)


@dataclass(frozen=True)
class Parcel:
    """A claimed delivery on its way out."""

    delivery: Delivery
    attempt: DeliveryAttempt

    def send(self) -> tuple[Answer, int]:
        """Send it as stored; gives the answer and the milliseconds. No database."""
        return timed(self._hand_over, webhook_id=self.delivery.webhook_id)

    def record(self, answer: Answer, milliseconds: int) -> None:
        record(self, answer, milliseconds)

    def _hand_over(self) -> Answer:
        to, webhook_id = self.delivery.destination, self.delivery.webhook_id
        request = json.loads(self.delivery.request)
        if to.kind == Destination.Kind.EMAIL:
            return send_email(request, webhook_id=webhook_id)
        if to.kind == Destination.Kind.HANDLER:
            return call_handler(request, webhook_id=webhook_id)
        secrets = to.secrets_at(timezone.now())
        return send_webhook(request, webhook_id=webhook_id, secrets=secrets)


def claim_deliveries(room: int) -> list[Parcel]:
    """Take up to `room` due deliveries that may be sent; refuse those that may not."""
    now = timezone.now()
    _recover(room, now)
    chosen = _chosen(room, now)
    if not chosen:
        return []
    with transaction.atomic():
        due = Delivery.objects.due(now).filter(status=Status.PENDING, pk__in=chosen)
        return _take(_refuse(_locked(due, room)), now)


@transaction.atomic
def record(parcel: Parcel, answer: Answer, milliseconds: int) -> None:
    """Note what came of it; when all have arrived, the job is delivered."""
    now, delivery = timezone.now(), parcel.delivery
    (job,) = lock(Job.objects.filter(pk=delivery.job_id))
    delivery.job = job
    _note_attempt(parcel.attempt, answer, milliseconds, now)
    delivery.refresh_from_db(fields=["status", "tries", "tries_before"])
    if delivery.status != Status.SENDING or delivery.tries != parcel.attempt.number:
        return  # its lease was over, and someone else went on with it
    note_health(delivery, answer, now)
    _move_on(delivery, answer, now)
    settle_job(job)


def _recover(room: int, now: datetime) -> None:
    """See to what is still being sent after its lease, paused or not."""
    stuck = Delivery.objects.due(now).filter(status=Status.SENDING)
    if room <= 0 or not stuck.exists():
        return
    with transaction.atomic():
        recover(_locked(stuck, room), now)


def _chosen(room: int, now: datetime) -> list[int]:
    """Due deliveries, oldest first, to each destination no more than it has places."""
    pending = Delivery.objects.due(now).filter(status=Status.PENDING)
    if room <= 0 or not pending.exists():
        return []
    left = places_left(now)
    open_now = [destination for destination, places in left.items() if places > 0]
    turn = Window(
        RowNumber(), partition_by="destination", order_by=[F("wake_at"), F("pk")]
    )
    first = pending.filter(destination__in=open_now).annotate(turn=turn)
    rows = first.filter(turn__lte=AT_ONCE).values_list("pk", "destination", "turn")
    return [pk for pk, to, turn in rows if turn <= left[to]][:room]


def _locked(wanted: DeliveryQuerySet, room: int) -> list[Delivery]:
    """Those whose jobs are in no other hand: the job is locked first."""
    jobs = Job.objects.filter(pk__in=list(wanted.values_list("job", flat=True)[:room]))
    held = jobs.order_by("pk").select_for_update(skip_locked=True, of=("self",))
    return list(wanted.filter(job__in=list(held)).select_related(*PARTS)[:room])


def _refuse(deliveries: list[Delivery]) -> list[Delivery]:
    """Refuse what the gate does not let through; gives back the others."""
    reasons = {d.pk: why for d in deliveries if (why := why_not(d))}
    unfit = FailureClass.NOT_AS_APPROVED
    move_all(
        [
            d.going(Status.REFUSED, reasons[d.pk], failure_class=unfit)
            for d in deliveries
            if d.pk in reasons
        ]
    )
    return [d for d in deliveries if d.pk not in reasons]


def _take(deliveries: list[Delivery], now: datetime) -> list[Parcel]:
    """Mark them as being sent, each with the row of its try."""
    move_all(
        [
            d.going(Status.SENDING, wake_at=now + LEASE, tries=d.tries + 1)
            for d in deliveries
        ]
    )
    attempts = [
        DeliveryAttempt(delivery=d, number=d.tries, started_at=now) for d in deliveries
    ]
    DeliveryAttempt.objects.bulk_create(attempts)
    return [Parcel(a.delivery, a) for a in attempts]


def _note_attempt(
    attempt: DeliveryAttempt, answer: Answer, milliseconds: int, now: datetime
) -> None:
    attempt.ended_at = now
    attempt.milliseconds = milliseconds
    attempt.http_status = answer.http_status
    attempt.outcome = answer.why[:200]
    attempt.answer = answer.said
    attempt.left = answer.left
    attempt.save()


def _move_on(delivery: Delivery, answer: Answer, now: datetime) -> None:
    """To where this answer leads, with its class."""
    note, to, again_at = answer.why, ENDS.get(answer.outcome, Status.FAILED), None
    if answer.outcome is Outcome.AGAIN:
        again_at = next_send_at(
            delivery.tries - delivery.tries_before,
            now=now,
            retry_after=answer.retry_after,
            dice=random.random,
        )
    if again_at:
        to = Status.PENDING
        note = f"{ended(note)} Tried again at {again_at:%H:%M:%S} UTC."
    failure = answer.failure or ""
    delivery.move(to, note=note, wake_at=again_at, failure_class=failure)
