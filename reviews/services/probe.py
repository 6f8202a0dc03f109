"""Trying a receiver: a signed event without content, and what it says to that."""

from dataclasses import dataclass
from functools import partial
from uuid import uuid4

import structlog
from django.contrib.auth.models import User
from django.utils import timezone

from jobs.kit.rights import name_of, require
from jobs.lifecycle import MoveRefused
from reviews.delivery.answer import Answer
from reviews.delivery.timed import timed
from reviews.models import Destination
from reviews.notices import Address, send_test

log = structlog.get_logger(__name__)
RIGHT = "reviews.change_destination"


@dataclass(frozen=True)
class Probe:
    """What came of it. It is no delivery, and is kept nowhere."""

    address: str
    answer: Answer
    milliseconds: int


def probe_destination(destination: Destination, *, by: User) -> Probe:
    """Send `webhook.test` to its address of now, guarded as deliveries are."""
    require(by, RIGHT)
    version = destination.current
    if destination.kind != Destination.Kind.WEBHOOK:
        raise MoveRefused(f"{destination} is no webhook: only these can be probed.")
    if version is None:
        raise MoveRefused(f"{destination} has no address yet.")
    now, webhook_id = timezone.now(), f"msg_{uuid4().hex}"
    to = Address(version.address, version.headers, destination.secrets_at(now))
    send = partial(send_test, to, webhook_id=webhook_id, now=now)
    answer, took = timed(send, webhook_id=webhook_id)
    log.info(
        "a destination was probed",
        destination=destination.pk,
        actor=name_of(by),
        why=answer.why,
    )
    return Probe(version.address, answer, took)
