"""Sending what was approved: claim, send, record. The network is between the two."""

import json
import random
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.utils import timezone

from jobs.lifecycle import Move, lock, move_all
from jobs.models import Job, Pause
from reviews.delivery.answer import Answer, Outcome
from reviews.delivery.email import send_email
from reviews.delivery.retries import next_send_at
from reviews.delivery.webhook import send_webhook
from reviews.models import Delivery, DeliveryAttempt, Destination
from reviews.models.delivery import DeliveryQuerySet
from reviews.services.gate import why_not

log = structlog.get_logger(__name__)
Status = Delivery.Status
# A try takes at most 15 s (PATIENCE in delivery/webhook.py), mail somewhat longer.
LEASE = timedelta(seconds=60)
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
        began, request = time.monotonic(), json.loads(self.delivery.request)
        webhook_id, to = self.delivery.webhook_id, self.delivery.destination
        try:
            if to.kind == Destination.Kind.EMAIL:
                answer = send_email(request, webhook_id=webhook_id)
            else:
                answer = send_webhook(request, webhook_id=webhook_id, secret=to.secret)
        except Exception as error:  # a mistake of ours must not stop the others
            log.exception("could not send", webhook_id=webhook_id)
            why = f"Could not be sent: {type(error).__name__}."
            answer = Answer(Outcome.FAILED, why)
        return answer, int(1000 * (time.monotonic() - began))


def claim_deliveries(room: int) -> list[Parcel]:
    """Take up to `room` due deliveries that may be sent; refuse those that may not."""
    now = timezone.now()
    due = Delivery.objects.due(now)
    if room <= 0 or not due.exists() or _paused():
        return []
    with transaction.atomic():
        pending = _recover(_locked(due, room))
        refused = {d.pk: why for d in pending if (why := why_not(d))}
        move_all(
            [
                Move(d, Status.REFUSED, note=refused[d.pk])
                for d in pending
                if d.pk in refused
            ]
        )
        return _take([d for d in pending if d.pk not in refused], now)


@transaction.atomic
def record(parcel: Parcel, answer: Answer, milliseconds: int) -> None:
    """Note what came of it; when all have arrived, the job is delivered."""
    now, delivery = timezone.now(), parcel.delivery
    (job,) = lock(Job.objects.filter(pk=delivery.job_id))
    delivery.job = job
    _note_attempt(parcel.attempt, answer, milliseconds, now)
    delivery.refresh_from_db(fields=["status", "tries"])
    if delivery.status != Status.SENDING or delivery.tries != parcel.attempt.number:
        return  # its lease was over, and someone else went on with it
    again_at = next_send_at(
        delivery.tries, now=now, retry_after=answer.retry_after, dice=random.random
    )
    if answer.outcome is Outcome.DELIVERED:
        delivery.move(Status.DELIVERED, note=answer.why)
        _deliver_job(job)
    elif answer.outcome is Outcome.AGAIN and again_at:
        note = f"{answer.why} Tried again at {again_at:%H:%M:%S} UTC."
        delivery.move(Status.PENDING, note=note, wake_at=again_at)
    elif answer.outcome is Outcome.UNCERTAIN:
        delivery.move(Status.UNCERTAIN, note=answer.why)
    else:
        delivery.move(Status.FAILED, note=answer.why)


def _locked(due: DeliveryQuerySet, room: int) -> list[Delivery]:
    """Due deliveries whose jobs are in no other hand: the job is locked first."""
    wanted = Job.objects.filter(pk__in=list(due.values_list("job", flat=True)[:room]))
    jobs = wanted.order_by("pk").select_for_update(skip_locked=True, of=("self",))
    return list(due.filter(job__in=list(jobs)).select_related(*PARTS)[:room])


def _recover(deliveries: list[Delivery]) -> list[Delivery]:
    """Those still being sent after their lease: we died before noting the answer.

    A webhook is sent again under the same id, so its receiver can tell; of a mail
    nobody can tell whether it went, so a person decides. Gives back what may be sent.
    """
    stuck = [d for d in deliveries if d.status == Status.SENDING]
    mails = [d for d in stuck if d.destination.kind == Destination.Kind.EMAIL]
    hooks = [d for d in stuck if d.destination.kind != Destination.Kind.EMAIL]
    unsure = "We stopped between sending and noting: look whether it arrived."
    again = "We stopped between sending and noting: sent again under the same id."
    move_all([Move(d, Status.UNCERTAIN, note=unsure) for d in mails])
    move_all([Move(d, Status.PENDING, note=again) for d in hooks])
    return [d for d in deliveries if d.status == Status.PENDING]


def _take(deliveries: list[Delivery], now: datetime) -> list[Parcel]:
    """Mark them as being sent, each with the row of its try."""
    move_all(
        [
            Move(d, Status.SENDING, changes={"wake_at": now + LEASE, "tries": tries})
            for d in deliveries
            if (tries := d.tries + 1)
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
    attempt.save()


def _deliver_job(job: Job) -> None:
    """Delivered, once every delivery has arrived or was withdrawn."""
    owed = job.deliveries.exclude(status__in=[Status.DELIVERED, Status.WITHDRAWN])
    if job.status == Job.Status.APPROVED and not owed.exists():
        job.move(Job.Status.DELIVERED)


def _paused() -> bool:
    return Pause.objects.active().filter(scope=Pause.DELIVERIES).exists()
