"""The parts of the queue: one meaning for its page and for the API."""

from datetime import datetime
from typing import Any

from reviews.models.review import ReviewQuerySet
from reviews.services.approvals import partly_approved

PARTS = ("mine", "unclaimed", "overdue", "flagged", "partly_approved")


def part_of(
    rows: ReviewQuerySet, part: str, *, person: Any, now: datetime
) -> ReviewQuerySet:
    """The open ones of these that are in this part, one of PARTS."""
    parts = {
        "mine": lambda: rows.claimed_by(person, now),
        "unclaimed": lambda: rows.unclaimed(now),
        "overdue": lambda: rows.overdue(now),
        "flagged": rows.flagged,
        "partly_approved": lambda: partly_approved(rows),
    }
    return parts[part]()
