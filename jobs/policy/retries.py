"""When to try again: exponential backoff with full jitter."""

from collections.abc import Callable
from datetime import datetime, timedelta

from jobs.policy.failures import RULES, FailureClass, Follow

FIRST = timedelta(seconds=2)  # the ceiling of the first wait; doubles with each try
LONGEST = timedelta(minutes=5)
LONGEST_WAIT = timedelta(minutes=1)  # for a conversation that another one locked
LONGEST_ASKED = timedelta(hours=1)  # a Retry-After beyond this is not believed


def look_for_lock_at(waits: int, now: datetime) -> datetime:
    """When a locked conversation is tried again, after so many waits in vain."""
    return now + min(FIRST * 2 ** min(waits, 10), LONGEST_WAIT)


def next_try_at(
    failure: FailureClass,
    *,
    tries: int,
    max_tries: int,
    now: datetime,
    retry_after: float | None,
    dice: Callable[[], float],
) -> datetime | None:
    """When the job is started again; None: it is not.

    Full jitter: anywhere between now and the ceiling, so that many jobs that failed
    together do not come back together. `dice` gives a number in [0, 1).
    """
    rule = RULES[failure]
    if rule.follow is not Follow.RETRY or tries >= min(rule.tries, max_tries):
        return None
    ceiling = min(FIRST * 2 ** (tries - 1), LONGEST)
    asked = min(retry_after or 0, LONGEST_ASKED.total_seconds())
    return now + max(timedelta(seconds=asked), ceiling * dice())
