"""Mail to the people concerned: it says that something waits, and never what.

What a notice is made of has no content, title, metadata or failure text: it cannot
tell what it does not know. Its link only shows a page; nothing is decided by it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.urls import reverse

log = structlog.get_logger(__name__)
PATIENCE = 10  # seconds for each answer of the mail server
REMINDER = """\
A job waits for a decision, and its time ends at {due_at:%d %b %Y %H:%M} UTC.
Without a decision it is abandoned then; nothing is ever approved by itself.

{url}

Job {job_id}
"""


@dataclass(frozen=True)
class ReviewDue:
    """A review that ends soon: numbers and a time, and nothing else."""

    review_id: int
    job_id: UUID
    due_at: datetime


def send_reminders(notice: ReviewDue, addresses: Iterable[str]) -> int:
    """Mail each person; says how many mails went. OSError: no mail server answers."""
    path = reverse("admin:reviews_review_change", args=[notice.review_id])
    url = f"{settings.PUBLIC_URL.rstrip('/')}{path}"
    text = REMINDER.format(due_at=notice.due_at, url=url, job_id=notice.job_id)
    subject = f"A decision is due at {notice.due_at:%d %b %H:%M} UTC"
    connection = get_connection(timeout=PATIENCE)
    connection.open()
    try:
        mails = [
            EmailMessage(subject, text, to=[one], connection=connection)
            for one in addresses
        ]
        return sum(_went(mail) for mail in mails)
    finally:
        connection.close()


def _went(mail: EmailMessage) -> bool:
    """One person's address must not keep the others from theirs."""
    try:
        return bool(mail.send())
    except (OSError, ValueError) as error:
        log.warning("a reminder was not sent", error=type(error).__name__)
        return False
