"""What can go wrong at the provider, to order: one table."""

from __future__ import annotations

from dataclasses import dataclass

WEBHOOK = ("webhook",)


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong, and the calls on which it can."""

    says: str
    on: tuple[str, ...]


FAULTS = {
    # The sender plays these.
    "webhook-drop": Fault("An event that is never sent", WEBHOOK),
    "webhook-duplicate": Fault("An event that is sent twice at once", WEBHOOK),
    "webhook-delay": Fault("An event that comes a minute late", WEBHOOK),
    "webhook-reorder": Fault("An event that lets another one pass", WEBHOOK),
    "webhook-forge": Fault("Before it, one that a stranger signed", WEBHOOK),
    "webhook-stale": Fault("A try whose timestamp is an hour old", WEBHOOK),
}
