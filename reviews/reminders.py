"""The task that mails reviewers, started every minute in the outbox's cluster."""

from jobs.sweep import is_late
from reviews.services.remind import (
    escalate_reviews,
    remind_reviewers,
    tell_of_openings,
)


def reminders(intended: str = "") -> dict[str, int]:
    """Tell what opened and what is due; not in the outbox: mail servers may be slow."""
    if is_late(intended):
        return {"skipped": 1}
    return {
        "told": tell_of_openings(),
        "reminded": remind_reviewers(),
        "escalated": escalate_reviews(),
    }
