"""When a delivery is tried again: about three days in all."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

# Svix's schedule, stretched by two daily tries.
WAITS = [
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=10),
    timedelta(hours=24),
    timedelta(hours=24),
]
CALLBACK_WAITS = WAITS[:5]  # of a notice that the API tells as well
JITTER = 0.2  # of the wait, so that many do not come back together
LONGEST_ASKED = timedelta(hours=24)


def next_send_at(
    tries: int,
    *,
    now: datetime,
    retry_after: float | None,
    dice: Callable[[], float],
    waits: Sequence[timedelta] = WAITS,
) -> datetime | None:
    """After `tries` tries; None: give up and tell a person. `dice` is in [0, 1)."""
    if tries > len(waits):
        return None
    wait = waits[tries - 1] * (1 + JITTER * dice())
    asked = min(retry_after or 0, LONGEST_ASKED.total_seconds())
    return now + max(wait, timedelta(seconds=asked))
