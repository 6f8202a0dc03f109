"""What a receiver said, and what follows from it."""

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """What one try came to."""

    DELIVERED = "delivered"
    AGAIN = "again"
    FAILED = "failed"
    UNCERTAIN = "uncertain"


@dataclass(frozen=True)
class Answer:
    """`said`: the first kilobytes of it; `retry_after`: seconds, where it asked."""

    outcome: Outcome
    why: str
    http_status: int | None = None
    said: str = ""
    retry_after: float | None = None


RETRIED = {408, 425, 429}  # and every 5xx; any other 3xx or 4xx will not change


def outcome_of(http_status: int) -> Outcome:
    """A 2xx is delivery; what may pass by itself is tried again."""
    if 200 <= http_status < 300:
        return Outcome.DELIVERED
    if http_status in RETRIED or http_status >= 500:
        return Outcome.AGAIN
    return Outcome.FAILED
