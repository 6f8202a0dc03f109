"""Inquiries: whose is a response that an event told of, and that no attempt has?"""

from dataclasses import dataclass, field
from datetime import datetime

import structlog
from django.db import transaction
from django.utils import timezone

from jobs.models import WebhookReceipt
from jobs.models.receipt import Outcome
from jobs.policy.failures import FailureClass, class_of_fault
from jobs.policy.polling import ask_again_at
from jobs.provider.base import ProviderFault, Snapshot, State
from jobs.services.adopt import Verdict, place
from jobs.services.errands import LEASE
from jobs.services.receive import wake_response

log = structlog.get_logger(__name__)


@dataclass
class Inquiry:
    """A claimed receipt on its way to the provider; `lease`: its wake_at since then.

    An orphan that no row of ours stands for is stopped; any other is looked at.
    """

    receipt: WebhookReceipt
    lease: datetime
    reply: Snapshot | ProviderFault | None = field(default=None, repr=False)

    @property
    def stops(self) -> bool:
        return self.receipt.outcome == Outcome.ORPHAN


def claim_inquiries(room: int) -> list[Inquiry]:
    """Take receipts whose response is to be looked at, unless it is known by now."""
    now = timezone.now()
    due = WebhookReceipt.objects.due(now)
    if room <= 0 or not due.exists():
        return []
    with transaction.atomic():
        receipts = list(due.select_for_update(skip_locked=True)[:room])
        lease, ids = now + LEASE, [receipt.pk for receipt in receipts]
        WebhookReceipt.objects.filter(pk__in=ids).update(wake_at=lease)
    inquiries = [Inquiry(receipt, lease) for receipt in receipts]
    return [inquiry for inquiry in inquiries if not _known_by_now(inquiry)]


def conclude(inquiry: Inquiry) -> None:
    """Follow what the provider said; what cannot be followed is asked again."""
    now = timezone.now()
    try:
        with transaction.atomic():
            _note(inquiry, _verdict(inquiry, now))
    except Exception:
        log.exception("could not place a response", receipt=inquiry.receipt.pk)
        again = ask_again_at(inquiry.receipt.received_at, now, is_gone=False)
        _note(inquiry, Verdict(inquiry.receipt.outcome, "It broke our code.", again))


def _known_by_now(inquiry: Inquiry) -> bool:
    """We noted its id meanwhile: the event had overtaken our own commit."""
    if inquiry.stops:
        return False
    with transaction.atomic():
        woken = wake_response(inquiry.receipt.response_id, timezone.now())
        if woken:
            _note(inquiry, Verdict(woken))
    return woken is not None


def _verdict(inquiry: Inquiry, now: datetime) -> Verdict:
    reply = inquiry.reply
    if isinstance(reply, Snapshot):
        return _stopped(reply, now) if inquiry.stops else place(reply, now)
    assert isinstance(reply, ProviderFault)
    failure = class_of_fault(reply)
    again = ask_again_at(
        inquiry.receipt.received_at, now, is_gone=failure is FailureClass.GONE
    )
    if failure is FailureClass.MALFORMED_INPUT:
        again = None
    if again is None and failure is FailureClass.GONE and not inquiry.stops:
        return Verdict(Outcome.WAITS, "The provider does not have it.")
    return Verdict(inquiry.receipt.outcome, f"Asked in vain: {reply.message}", again)


def _stopped(reply: Snapshot, now: datetime) -> Verdict:
    if reply.state is State.WORKING:
        return Verdict(Outcome.ORPHAN, "It is being stopped.", now + LEASE)
    tokens = reply.usage.total_tokens
    cost = f", {tokens} tokens" if tokens is not None else ""
    return Verdict(
        Outcome.ORPHAN, f"No attempt here has it. Ended as {reply.said}{cost}."
    )


def _note(inquiry: Inquiry, verdict: Verdict) -> None:
    """Unless somebody had it processed again since we claimed it."""
    ours = WebhookReceipt.objects.filter(pk=inquiry.receipt.pk, wake_at=inquiry.lease)
    ours.update(
        outcome=verdict.outcome, note=verdict.note[:300], wake_at=verdict.wake_at
    )
