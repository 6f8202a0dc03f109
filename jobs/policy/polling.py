"""When to look again at a response that is still at work."""

from datetime import datetime, timedelta

SHARE = 0.1  # of its age: a look at most a tenth late, with few looks for long jobs
SOONEST = timedelta(seconds=2)
LATEST = timedelta(seconds=60)  # the provider surely keeps its data for minutes


def next_look_at(
    started_at: datetime, now: datetime, *, asked: float | None = None
) -> datetime:
    """A tenth of its age from now, between two seconds and a minute.

    `asked`: the seconds for which the provider wants to be left alone.
    """
    rest = timedelta(seconds=min(asked or 0, LATEST.total_seconds()))
    return now + max(min(max((now - started_at) * SHARE, SOONEST), LATEST), rest)
