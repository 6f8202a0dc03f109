"""An event of the provider: kept once, and all it does is to wake."""

from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from jobs.kit.rights import Person, require
from jobs.lifecycle import lock
from jobs.models import Attempt, Job, WebhookReceipt
from jobs.models.receipt import Outcome
from jobs.provider.events import OF_RESPONSES, ProviderEvent

SAID = [Outcome.ADOPTED, Outcome.ORPHAN, Outcome.WOKE]  # for good


@transaction.atomic
def receive_event(event: ProviderEvent) -> None:
    """Store it and wake what it speaks of; one that came before is only counted."""
    now = timezone.now()
    known = _like(event)
    if known.update(repeats=F("repeats") + 1):
        return
    receipt = WebhookReceipt(
        webhook_id=event.webhook_id,
        type=event.type,
        response_id=event.response_id,
        sent_at=event.sent_at,
        received_at=now,
    )
    _follow(receipt, now)
    try:
        with transaction.atomic():
            receipt.save(force_insert=True)
    except IntegrityError:  # its twin came at the same moment, and was first
        known.update(repeats=F("repeats") + 1)


@transaction.atomic
def process_again(receipt: WebhookReceipt, *, by: Person) -> WebhookReceipt:
    """Do once more what receiving it did; what was found stays said."""
    require(by, "jobs.retry_job")
    found, now = receipt.outcome in SAID, timezone.now()
    if found:
        wake_response(receipt.response_id, now)
    else:
        receipt.note = ""
        _follow(receipt, now)
        receipt.save(update_fields=["outcome", "note", "wake_at"])
    return receipt


def wake_response(response_id: str, now: datetime) -> Outcome | None:
    """Have the sweep look at this response; None: no attempt of ours has it."""
    attempt = Attempt.objects.filter(response_id=response_id).first()
    if attempt is None:
        return None
    if attempt.ended_at is None:
        woken = Job.objects.filter(pk=attempt.job_id).wake()
        return Outcome.WOKE if woken else Outcome.KNOWN
    lock(Job.objects.filter(pk=attempt.job_id))
    unsettled = Attempt.objects.filter(pk=attempt.pk, settled_at=None)
    return Outcome.WOKE if unsettled.update(wake_at=now) else Outcome.KNOWN


def _follow(receipt: WebhookReceipt, now: datetime) -> None:
    """Wake its response; one we do not know is looked at while we miss any."""
    receipt.wake_at = None
    if receipt.type not in OF_RESPONSES:
        receipt.outcome = Outcome.UNKNOWN_TYPE
        return
    # Asked first: whoever notes the id between the two questions is found by the
    # second, and in the other order by neither.
    misses_one = Attempt.objects.unanswered(now).exists()
    if woken := wake_response(receipt.response_id, now):
        receipt.outcome = woken
    elif misses_one:
        receipt.outcome, receipt.wake_at = Outcome.WAITS, now
    else:
        receipt.outcome = Outcome.NOT_OURS


def _like(event: ProviderEvent) -> QuerySet[WebhookReceipt]:
    """What is stored of this event: by its id, or by what it says."""
    same = Q(webhook_id=event.webhook_id)
    if event.response_id:
        same |= Q(response_id=event.response_id, type=event.type)
    return WebhookReceipt.objects.filter(same)
