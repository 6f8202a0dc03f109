"""The Retry-After header: seconds, or a date (RFC 9110, section 10.2.3)."""

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def seconds_asked_for(value: str | None, now: datetime | None = None) -> float | None:
    """How long somebody asks us to wait; None where nothing sensible is said."""
    try:
        seconds = float(value or "")
    except ValueError:
        return _until(value or "", now or datetime.now(UTC))
    return None if math.isnan(seconds) else max(0.0, seconds)


def _until(date: str, now: datetime) -> float | None:
    try:
        at = parsedate_to_datetime(date)
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        return max(0.0, (at - now).total_seconds())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
