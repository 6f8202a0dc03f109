"""A receiver as the README shows it, run against real deliveries."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from tests.deliveries import only_delivery, received
from tests.house import SECRET, send_due

README = (Path(__file__).parent.parent / "README.md").read_text()


@pytest.fixture(scope="module")
def approved() -> Callable[..., Any]:
    """The very function of the README."""
    (snippet,) = re.findall(r"```python\n(import hashlib.*?)```", README, re.DOTALL)
    house: dict[str, Any] = {}
    exec(snippet, house)
    return house["approved"]


@pytest.fixture
def arrived(desk, approval, httpserver) -> tuple[bytes, dict[str, str]]:
    send_due()
    (request,) = received(httpserver)
    return request.data, dict(request.headers)


def test_it_takes_a_real_delivery(approved, arrived, approval, review):
    body, headers = arrived
    content, decision = approved(body, headers, SECRET)
    assert content == review.result.content
    assert decision == {
        "id": approval.reference,
        "by": "ann",
        "at": approval.at.isoformat(),
    }


def test_the_headers_say_the_same(arrived, approval, review):
    _, headers = arrived
    said = {name.lower(): value for name, value in headers.items()}
    assert said["bgreview-decision"] == approval.reference
    assert said["bgreview-content-sha256"] == review.result.content_hash
    assert only_delivery().decision == approval


def forged(body: bytes, change: Callable[[dict[str, Any]], Any]) -> bytes:
    said = json.loads(body)
    change(said["data"])
    return json.dumps(said).encode()


def signed(body: bytes) -> dict[str, str]:
    """As from somebody who has the secret, but no approval."""
    now = datetime.now(UTC)
    signature = Webhook(SECRET).sign("msg_1", now, body.decode())
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signature,
    }


FORGERIES = {
    "content": lambda data: data.update(content="Something else."),
    "hash": lambda data: data.update(content_sha256="0" * 64),
    "job": lambda data: data["job"].update(id="another"),
    "who": lambda data: data["decision"].update(by="eve"),
    "when": lambda data: data["decision"].update(at="2026-01-01T00:00:00+00:00"),
    "decision": lambda data: data["decision"].update(id="0" * 64),
}


@pytest.mark.parametrize("what", FORGERIES)
def test_it_refuses_what_was_not_approved_even_well_signed(approved, arrived, what):
    body = forged(arrived[0], FORGERIES[what])
    with pytest.raises(ValueError, match=r"not the content|on something else"):
        approved(body, signed(body), SECRET)


def test_it_refuses_what_is_not_signed(approved, arrived):
    body, headers = arrived
    with pytest.raises(WebhookVerificationError):
        approved(body + b" ", headers, SECRET)
