"""A signed POST as Standard Webhooks has it: https://www.standardwebhooks.com."""

import ssl
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from typing import Any

import httpcore2
from standardwebhooks.webhooks import Webhook

from jobs.kit.retry_after import seconds_asked_for
from reviews.delivery.answer import Answer
from reviews.delivery.failures import FailureClass, class_of_status
from reviews.delivery.guard import Forbidden, GuardedBackend, parts_of

PATIENCE = 15.0  # seconds for one try, all in all
CONNECT = 5.0
ANSWER = 4_096  # bytes of an answer that are read and kept


def send_webhook(
    request: dict[str, Any], *, webhook_id: str, secrets: Sequence[str]
) -> Answer:
    """Send the stored request; signatures and their timestamp are made for this try.

    No redirect is followed, no proxy of the environment is used, and nothing of ours
    goes along but what is in the request.
    """
    try:
        url, body = parts_of(request["url"]), request["body"].encode()
        headers = request["headers"] | _signed(request["body"], webhook_id, secrets)
        return _post(url, headers, body)
    except Forbidden as error:
        return Answer(str(error), FailureClass.FORBIDDEN, left=False)
    except (httpcore2.UnsupportedProtocol, httpcore2.LocalProtocolError) as error:
        return Answer(f"Not sent: {error}", FailureClass.MALFORMED, left=False)
    except (TimeoutError, httpcore2.TimeoutException) as error:
        why = f"No answer within {PATIENCE:g} s."
        return Answer(why, FailureClass.TRANSIENT, left=_connected(error))
    except (OSError, httpcore2.NetworkError, httpcore2.ProtocolError) as error:
        why = f"{type(error).__name__}: {error}"
        return Answer(why, FailureClass.TRANSIENT, left=_connected(error))


def _connected(error: Exception) -> bool:
    """Whether there was somebody to send to: if not, nothing has left."""
    return not isinstance(error, (httpcore2.ConnectError, httpcore2.ConnectTimeout))


def _signed(body: str, webhook_id: str, secrets: Sequence[str]) -> dict[str, str]:
    """One signature for each secret: while it is rotated there are two."""
    now = datetime.now(UTC)
    signed = [
        Webhook(secret).sign(msg_id=webhook_id, timestamp=now, data=body)
        for secret in secrets
    ]
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signed),
    }


def _post(url: httpcore2.URL, headers: dict[str, str], body: bytes) -> Answer:
    until = time.monotonic() + PATIENCE
    with (
        httpcore2.ConnectionPool(
            ssl_context=_authorities() if url.scheme == b"https" else None,
            network_backend=GuardedBackend(until),
        ) as pool,
        pool.stream(
            "POST",
            url,
            headers=list(headers.items()),
            content=body,
            extensions={"timeout": {"connect": CONNECT}},
        ) as response,
    ):
        said = _first_bytes(response)
        return Answer(
            f"HTTP {response.status}",
            class_of_status(response.status),
            http_status=response.status,
            said=said.decode(errors="replace").replace("\0", "\ufffd"),
            retry_after=_retry_after(response),
        )


@cache
def _authorities() -> ssl.SSLContext:
    """Whom we trust; reading it takes longer than a try, so once in a process."""
    return ssl.create_default_context()


def _first_bytes(response: httpcore2.Response) -> bytes:
    """As much of the answer as we keep and as comes in time; its status is known."""
    said = b""
    with suppress(httpcore2.TimeoutException):
        for chunk in response.iter_stream():
            said += chunk
            if len(said) >= ANSWER:
                break
    return said[:ANSWER]


def _retry_after(response: httpcore2.Response) -> float | None:
    for name, value in response.headers:
        if name.lower() == b"retry-after":
            return seconds_asked_for(value.decode("latin-1"), datetime.now(UTC))
    return None
