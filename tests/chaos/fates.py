"""The jobs of a run, and what must become of each, whatever breaks meanwhile."""

from dataclasses import dataclass

KEY = "chaos"  # of the metadata that tells which job it is


@dataclass(frozen=True)
class Fate:
    """What is submitted, what people do with it, and the only right end."""

    name: str
    type: str
    tag: str
    ends: str
    approved: bool | None = None  # None: it comes to no decision
    cancelled: bool = False
    deadline_seconds: int | None = None


FATES = [
    Fate("delivered", "sent", "", "delivered", approved=True),
    Fate("delivered after a failure", "sent", "flaky", "delivered", approved=True),
    Fate("delivered in part", "sent", "partial", "delivered", approved=True),
    Fate("rejected", "sent", "refusal", "rejected", approved=False),
    Fate("approved, with nowhere to go", "kept", "", "approved", approved=True),
    Fate("completed without a review", "waived", "", "completed"),
    Fate("failed on bad input", "sent", "bad-input", "failed"),
    Fate("cancelled", "sent", "slow", "cancelled", cancelled=True),
    Fate(*("expired", "sent", "slow", "expired"), deadline_seconds=8),
]
# Most are of the first kind, the rest share what is left.
SHARES = [8, 3, 2, 3, 2, 2, 2, 2, 1]


def fate_of(number: int) -> Fate:
    """The fate of the job with this number: the same in every run."""
    places = [
        fate for fate, share in zip(FATES, SHARES, strict=True) for _ in range(share)
    ]
    return places[number * 7 % len(places)]


THREADS = 6


def thread_of(number: int) -> str | None:
    """The key of its thread: every fourth job is in one of a few."""
    return f"chaos:{number // 4 % THREADS}" if number % 4 == 0 else None
