"""What tests of deliveries begin with: receivers, an approval, and words for both."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone
from werkzeug import Request

from jobs.models import Pause
from reviews.models import (
    Decision,
    Delivery,
    Destination,
)
from reviews.services.decide import approve
from tests.house import (
    mailbox,
    seen,
    send_due,
    webhook,
)

A_MONTH = timedelta(days=30)


@pytest.fixture
def at(httpserver) -> str:
    """Where our receiver listens."""
    return f"http://127.0.0.1:{httpserver.port}"


@pytest.fixture
def desk(note, httpserver, at) -> Destination:
    """A receiver that takes what it gets."""
    httpserver.expect_request("/desk").respond_with_data("thanks")
    return webhook(f"{at}/desk", note)


@pytest.fixture
def inbox(note) -> Destination:
    return mailbox("desk@example.com, boss@example.com", note)


@pytest.fixture
def approval(review, ann) -> Decision:
    """Ann says yes; name it after the destinations that are to get it."""
    return approve(review, by=ann, seen=seen(review), comment="Checked.")


def received(httpserver: Any) -> list[Request]:
    return [request for request, _ in httpserver.log]


def only_delivery(**fields: Any) -> Delivery:
    return Delivery.objects.get(**fields)


def send_when_due(delivery: Delivery) -> None:
    """The next turn after the time that this delivery waits for."""
    delivery.refresh_from_db()
    with time_machine.travel(delivery.wake_at + timedelta(seconds=1)):
        send_due()
    delivery.refresh_from_db()


def notes(delivery: Delivery) -> list[str]:
    """What the history says of deliveries, after they were planned."""
    events = delivery.job.events.filter(kind="delivery").exclude(was="")
    return [event.note for event in events.order_by("seq")]


@contextmanager
def listening(*, backlog: int | None) -> Iterator[str]:
    """A port of ours: one that nobody answers, or one that refuses (no backlog)."""
    with socket.socket() as port:
        port.bind(("127.0.0.1", 0))
        if backlog is not None:
            port.listen(backlog)
        yield f"http://127.0.0.1:{port.getsockname()[1]}/"


def hold(scope: str) -> Pause:
    """A pause by olivia."""
    return Pause.objects.create(
        scope=scope, reason="person", actor="olivia", began_at=timezone.now()
    )
