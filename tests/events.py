"""Events as the provider sends them, signed, for the tests of webhooks in."""

import json
from base64 import b64encode
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from standardwebhooks.webhooks import Webhook

from jobs.webhooks import PATH

SECRET = "whsec_" + b64encode(b"only for tests".ljust(32, b".")).decode()
OLD_SECRET = "whsec_" + b64encode(b"as it was before".ljust(32, b".")).decode()
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
numbers = count(1)


def event(response_id: Any = "resp_1", kind: Any = "response.completed") -> bytes:
    said = {
        "id": "evt_1",
        "object": "event",
        "created_at": 1_777_000_000,
        "type": kind,
        "data": {"id": response_id},
    }
    return json.dumps(said).encode()


def signed(
    body: bytes,
    *,
    webhook_id: str = "",
    secret: str = SECRET,
    at: datetime | None = None,
) -> dict[str, str]:
    """The headers that go with this body."""
    webhook_id, at = webhook_id or f"wh_{next(numbers)}", at or datetime.now(UTC)
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(webhook_id, at, body.decode()),
    }


def post(
    body: bytes,
    headers: dict[str, str] | None = None,
    *,
    content_type: str = "application/json",
) -> HttpResponse:
    """From a program that has no cookies, and is held to CSRF like any other."""
    return Client(enforce_csrf_checks=True).post(
        PATH,
        body,
        content_type=content_type,
        headers=signed(body) if headers is None else headers,
        CONTENT_TYPE=content_type,  # which an empty body would not get
    )


def tell(response_id: str, kind: str = "response.completed") -> None:
    """What the provider tells of this response arrives, and is taken."""
    assert post(event(response_id, kind)).status_code == 204


@pytest.fixture
def secrets(settings: Any) -> None:
    settings.OPENAI_WEBHOOK_SECRETS = [SECRET, OLD_SECRET]
