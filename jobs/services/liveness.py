"""Do webhooks reach us? Asked every few seconds by a sweep, and kept in its process."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from jobs.models import Attempt, Job, WebhookReceipt
from jobs.policy.polling import LATEST, webhooks_alive

ASK_EVERY = 5  # seconds
LATELY = timedelta(minutes=15)  # what ended longer ago proves nothing of now
SAMPLE = 10
GRACE = timedelta(seconds=10)  # a webhook may come a little after a look


@dataclass
class Known:
    """What this process saw last, and in which of the few seconds that was."""

    slot: int = 0
    alive: bool = False


_known = Known()


def webhooks_are_alive() -> bool:
    """As of the last watch; False before there was one."""
    return _known.alive


def watch_webhooks() -> None:
    """Ask our rows again, every few seconds; while silent, no look is far away."""
    now = timezone.now()
    slot = int(now.timestamp()) // ASK_EVERY
    if slot == _known.slot:
        return
    _known.slot, _known.alive = slot, webhooks_alive(_announced(now))
    if not _known.alive:
        _hasten(now)


def forget() -> None:
    """As in a new process."""
    _known.slot, _known.alive = 0, False


def _announced(now: datetime) -> list[bool]:
    """Of the latest ends that we know of: did a webhook tell of each, in time?"""
    ends = Attempt.objects.filter(
        settled_at__gte=now - LATELY,
        settled_at__lte=now - GRACE,
        response_id__isnull=False,
    )
    ends = ends.order_by("-settled_at").only("response_id", "settled_at")[:SAMPLE]
    settled = {end.response_id: end.settled_at or now for end in ends}
    receipts = WebhookReceipt.objects.filter(response_id__in=settled)
    told = {
        response_id
        for response_id, at in receipts.values_list("response_id", "received_at")
        if at <= settled[response_id] + GRACE
    }
    return [response_id in told for response_id in settled]


def _hasten(now: datetime) -> None:
    """What was planned while they were alive is looked at as soon as without them."""
    soon = now + LATEST
    late = Job.objects.filter(status=Job.Status.RUNNING, wake_at__gt=soon)
    if late.exists():  # a look takes no lock
        late.update(wake_at=soon)
