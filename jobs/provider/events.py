"""An event that the provider sent us: is it genuine, and what does it say.

Whatever comes in was written by somebody else until its signature says otherwise; and
even then nothing is taken that could not be stored.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from standardwebhooks.webhooks import Webhook

from jobs.kit.strict_json import flaws, read_json
from jobs.provider.webhook_secrets import key_of

HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")
TOLERANCE = 300  # seconds between the provider's clock and ours, both ways
OF_RESPONSES = frozenset(
    f"response.{end}" for end in ("completed", "failed", "cancelled", "incomplete")
)
WEBHOOK_ID = re.compile(r"[!-~]{1,200}")  # as stored: visible ASCII
TIMESTAMP = re.compile(r"[0-9]{1,12}")
TYPE = re.compile(r"[!-~]{1,100}")
# It becomes part of an address at the provider.
RESPONSE_ID = re.compile(r"[A-Za-z0-9_-]{1,200}")
LATEST_SENT = 2**32  # seconds since 1970: a year that every database knows


class Reason(StrEnum):
    """Why an event was not taken."""

    WRONG_METHOD = "wrong_method"
    WRONG_TYPE = "wrong_type"
    TOO_LARGE = "too_large"
    HEADERS = "headers"
    STALE = "stale"
    FORGED = "forged"
    MALFORMED = "malformed"


class EventRefused(Exception):
    """It cannot be trusted, or not be read."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True)
class ProviderEvent:
    """What a genuine event says; `response_id` is empty where it is not of one."""

    webhook_id: str
    type: str
    response_id: str = ""
    sent_at: datetime | None = None


def read_event(
    body: bytes,
    headers: Mapping[str, str],
    *,
    secrets: Sequence[str],
    now: datetime,
) -> ProviderEvent:
    """The event, once one of the secrets vouches for it; else EventRefused."""
    _check_headers(headers, now)
    if not any(_signed_with(key_of(one), body, headers) for one in secrets):
        raise EventRefused(Reason.FORGED, "The signature does not fit.")
    return _read(body, headers["webhook-id"])


def _check_headers(headers: Mapping[str, str], now: datetime) -> None:
    """Asked before the signature: it says what is wrong, and costs less."""
    for name in HEADERS:
        if not headers.get(name):
            raise EventRefused(Reason.HEADERS, f"The header {name} is missing.")
    if not WEBHOOK_ID.fullmatch(headers["webhook-id"]):
        raise EventRefused(Reason.HEADERS, "The webhook-id is not one.")
    if not TIMESTAMP.fullmatch(headers["webhook-timestamp"]):
        raise EventRefused(Reason.HEADERS, "The webhook-timestamp is not one.")
    if abs(now.timestamp() - int(headers["webhook-timestamp"])) > TOLERANCE:
        raise EventRefused(
            Reason.STALE,
            f"It was signed more than {TOLERANCE} seconds from now: check the clocks.",
        )


def _signed_with(key: bytes, body: bytes, headers: Mapping[str, str]) -> bool:
    """Whether this key signed exactly this, at that time.

    The provider's SDK computes the same, but takes 0.5 s and 45 MB to load.
    """
    try:
        Webhook(key).verify(body, dict(headers), json_parse=False)
    except Exception:
        # Hostile input makes it raise far more than its own error: ValueError,
        # OverflowError, UnicodeDecodeError. None of them means that it is genuine.
        return False
    return True


def _read(body: bytes, webhook_id: str) -> ProviderEvent:
    try:
        said = read_json(body)
    except ValueError as error:
        raise EventRefused(Reason.MALFORMED, "This is not the JSON we take.") from error
    if not isinstance(said, dict) or any(flaws(said, "event")):
        raise EventRefused(Reason.MALFORMED, "This is not an event.")
    kind, data = said.get("type"), said.get("data")
    if not (isinstance(kind, str) and TYPE.fullmatch(kind)):
        raise EventRefused(Reason.MALFORMED, "The event has no type.")
    found = data.get("id") if isinstance(data, dict) else None
    is_id = isinstance(found, str) and RESPONSE_ID.fullmatch(found)
    if kind in OF_RESPONSES and not is_id:
        raise EventRefused(Reason.MALFORMED, "The event names no response.")
    response_id = str(found) if is_id else ""
    return ProviderEvent(webhook_id, kind, response_id, _time(said.get("created_at")))


def _time(value: Any) -> datetime | None:
    """For the record only: what is not a time is left out."""
    if not isinstance(value, int | float) or not 0 < value < LATEST_SENT:
        return None
    return datetime.fromtimestamp(value, UTC)
