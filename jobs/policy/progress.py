"""How far along a run is, from what can be known."""

from dataclasses import dataclass
from datetime import timedelta

MOST = 95  # percent; only the end itself is the end


@dataclass(frozen=True)
class Progress:
    """`percent` is None where nothing tells it; `basis`: what it rests on."""

    percent: int | None
    basis: str
    note: str


def estimate(*, elapsed: timedelta, usual: timedelta | None, steps: int) -> Progress:
    """A share of the usual duration; without one, the steps seen so far."""
    seen = f"{steps} step{'' if steps == 1 else 's'} so far" if steps else ""
    if usual:
        percent = min(MOST, max(1, int(100 * elapsed / usual)))
        note = ", ".join(filter(None, [f"usually takes {_spoken(usual)}", seen]))
        return Progress(percent, "usual duration", note)
    if steps:
        return Progress(None, "steps", seen)
    return Progress(None, "unknown", "no steps seen yet")


def _spoken(duration: timedelta) -> str:
    seconds = duration.total_seconds()
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return (
        f"{round(seconds / 60)} min" if seconds < 5_400 else f"{seconds / 3600:.1f} h"
    )
