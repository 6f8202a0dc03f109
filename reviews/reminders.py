"""The task that reminds reviewers, started every minute in the outbox's cluster."""

from jobs.sweep import is_late
from reviews.services.remind import remind_reviewers


def reminders(intended: str = "") -> dict[str, int]:
    """Remind of what is due soon; not in the outbox, as a mail server may be slow."""
    return {"skipped": 1} if is_late(intended) else {"reminded": remind_reviewers()}
