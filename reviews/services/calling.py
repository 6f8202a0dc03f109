"""Sending status events: claim, send, record. Beside deliveries, never before them."""

import random
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from django.db.models import F
from django.utils import timezone

from reviews.delivery.answer import Answer
from reviews.delivery.failures import Outcome
from reviews.delivery.prefix import lies_under
from reviews.delivery.retries import CALLBACK_WAITS, next_send_at
from reviews.delivery.timed import timed
from reviews.models import Callback
from reviews.notices import Address, StatusEvent, send_status
from reviews.services.rest import held_back

LEASE = timedelta(seconds=60)


@dataclass(frozen=True)
class Call:
    """A claimed status event on its way out."""

    callback: Callback
    event: StatusEvent
    to: Address

    @property
    def destination_id(self) -> int:
        return self.callback.destination_id

    def send(self) -> tuple[Answer, int]:
        """Send it; gives the answer and the milliseconds. No database."""
        webhook_id = f"msg_{self.callback.uuid.hex}"
        send = partial(send_status, self.event, self.to, webhook_id=webhook_id)
        return timed(send, webhook_id=webhook_id)

    def record(self, answer: Answer, milliseconds: int) -> None:
        """Note what came of it; after its last try it is let go."""
        now, arrived = timezone.now(), answer.outcome is Outcome.DELIVERED
        ours = Callback.objects.filter(
            pk=self.callback.pk, tries=self.callback.tries, arrived_at=None
        )
        ours.update(
            answer=answer.why[:300],
            arrived_at=now if arrived else None,
            wake_at=_again_at(self.callback, answer, now),
        )


def claim_callbacks(room: int, busy: Collection[int] = ()) -> list[Call]:
    """The oldest due one for each destination that is not `busy` with another.

    One at a time keeps them in order, and lets no slow receiver hold up the others.
    """
    now = timezone.now()
    due = Callback.objects.due(now)
    if room <= 0 or not due.exists():
        return []
    open_ones = due.exclude(destination__in=held_back(now) | set(busy))
    to = open_ones.order_by().values_list("destination", flat=True).distinct()
    calls = [
        _claim(open_ones.filter(destination=one).first(), now) for one in to[:room]
    ]
    return [call for call in calls if call]


def _claim(callback: Callback | None, now: datetime) -> Call | None:
    """Ours alone, if nobody has moved its time since it was read: past a lease."""
    if callback is None:
        return None
    as_read = Callback.objects.filter(pk=callback.pk, wake_at=callback.wake_at)
    version, url = callback.destination.current, callback.job.callback_url
    if why := _why_not(callback):
        as_read.update(wake_at=None, answer=why)
        return None
    if not as_read.update(wake_at=now + LEASE, tries=F("tries") + 1):
        return None
    callback.tries += 1
    assert version is not None  # _why_not has looked
    status = callback.type.removeprefix("job.")
    event = StatusEvent(callback.job.public_id, status, callback.at)
    secrets = callback.destination.secrets_at(now)
    return Call(callback, event, Address(url, version.headers, secrets))


def _why_not(callback: Callback) -> str:
    """What was so when the job was submitted may have changed since."""
    to, version = callback.destination, callback.destination.current
    if not (to.is_active and to.takes_callbacks and version):
        return f"{to} takes no callbacks any more."
    if not lies_under(callback.job.callback_url, version.address):
        return f"It does not lie under {to} any more."
    return ""


def _again_at(callback: Callback, answer: Answer, now: datetime) -> datetime | None:
    if answer.outcome is not Outcome.AGAIN:
        return None
    return next_send_at(
        callback.tries,
        now=now,
        retry_after=answer.retry_after,
        dice=random.random,
        waits=CALLBACK_WAITS,
    )
