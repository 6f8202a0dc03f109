"""When to look again at a response that is still at work, or that is not ours yet."""

from collections.abc import Sequence
from datetime import datetime, timedelta

SHARE = 0.1  # of its age: a look at most a tenth late, with few looks for long jobs
SOONEST = timedelta(seconds=2)
LATEST = timedelta(seconds=60)  # the provider surely keeps its data for minutes

# While webhooks prove alive, a look is only the net beneath them.
NET_SHARE = 0.5
NET_SOONEST = timedelta(seconds=20)
NET_LATEST = timedelta(minutes=4)  # two looks within the ten minutes that data stays

# Of the latest ends so many must have been told of, or webhooks count as silent.
ENOUGH = 3  # ends; fewer prove nothing
MOST_OF_THEM = 0.8  # one that is lost now and then is what the net is for


def next_look_at(
    started_at: datetime,
    now: datetime,
    *,
    asked: float | None = None,
    webhooks_alive: bool = False,
) -> datetime:
    """A share of its age from now, within bounds; longer while webhooks are alive.

    `asked`: the seconds for which the provider wants to be left alone.
    """
    age = now - started_at
    rest = timedelta(seconds=min(asked or 0, LATEST.total_seconds()))
    if webhooks_alive:
        return now + max(min(max(age * NET_SHARE, NET_SOONEST), NET_LATEST), rest)
    return now + max(min(max(age * SHARE, SOONEST), LATEST), rest)


def webhooks_alive(announced: Sequence[bool]) -> bool:
    """Whether webhooks told of enough of the latest ends, each True if one did."""
    return len(announced) >= ENOUGH and sum(announced) >= len(announced) * MOST_OF_THEM


# ---- a response that an event told of, and that could not be looked at -----------

FIRST_AGAIN = timedelta(seconds=5)
LAST_AGAIN = timedelta(minutes=10)
# A replica may lag (33 s were measured); what is not there by then is not there.
GONE_AFTER = timedelta(minutes=2)
GIVE_UP_AFTER = timedelta(hours=72)  # as long as the provider repeats its events


def ask_again_at(
    received_at: datetime, now: datetime, *, is_gone: bool
) -> datetime | None:
    """Its age again, so that the gaps double; None: enough was asked.

    By age and not by count: after an hour's outage of ours, too, a response that is
    not found is no replica's lag, and any other fault says nothing of the response.
    """
    age = now - received_at
    if age > (GONE_AFTER if is_gone else GIVE_UP_AFTER):
        return None
    return now + min(max(age, FIRST_AGAIN), LAST_AGAIN)
