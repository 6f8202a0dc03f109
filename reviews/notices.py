"""What is told without content: mail to the people concerned, and status events.

What a notice is made of has no content, title, metadata or failure text: it cannot
tell what it does not know. Its link only shows a page; nothing is decided by it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.urls import reverse

from jobs.kit.canonical import canonical_json
from reviews.delivery.answer import Answer
from reviews.delivery.headers import own_headers
from reviews.delivery.webhook import send_webhook

log = structlog.get_logger(__name__)
PATIENCE = 10  # seconds for each answer of the mail server
REMINDER = """\
A job waits for a decision, and its time ends at {due_at:%d %b %Y %H:%M} UTC.
Without a decision it is abandoned then; nothing is ever approved by itself.

{url}

Job {job_id}
"""
ESCALATION = """\
Nobody has decided on a job yet, and its time ends at {due_at:%d %b %Y %H:%M} UTC.
Its reviewers know of it; see that one of them decides, or it is abandoned then.

{url}

Job {job_id}
"""
IN_VAIN = """\
Nobody decided on a job before its time ended at {due_at:%d %b %Y %H:%M} UTC: it was
abandoned, and not approved. Its page can reopen it, if it is still wanted.

{url}

Job {job_id}
"""
OPENING = """\
Waiting for a decision:

{lines}
{more}
Nothing is approved by itself, and nothing is decided by a link.
"""
MOST = 50  # jobs that one mail names
MORE = "\nAnd {count} more: {url}\n"
LINE = """\
by {due_at:%d %b %Y %H:%M} UTC: job {job_id}
{url}"""


@dataclass(frozen=True)
class ReviewDue:
    """A review that waits: numbers and a time, and nothing else."""

    review_id: int
    job_id: UUID
    due_at: datetime

    @property
    def url(self) -> str:
        """Where the page is; opening it decides nothing."""
        return _link(reverse("admin:reviews_review_change", args=[self.review_id]))

    def told(self, template: str) -> str:
        return template.format(due_at=self.due_at, url=self.url, job_id=self.job_id)


@dataclass(frozen=True)
class StatusEvent:
    """A job has come to a status at a time: all that whoever asked is told."""

    job_id: UUID
    status: str
    at: datetime

    @property
    def body(self) -> str:
        """The body is a contract: docs/deliveries.md, "Status events"."""
        data = {"job": {"id": str(self.job_id)}, "status": self.status}
        return _body(f"job.{self.status}", self.at, data)


@dataclass(frozen=True)
class Address:
    """Where an event goes, with what its destination supplies."""

    url: str
    headers: Mapping[str, str]
    secrets: Sequence[str]


# ---- mail --------------------------------------------------------------------------


def send_reminders(notice: ReviewDue, addresses: Iterable[str]) -> int:
    """Mail each person; says how many mails went. OSError: no mail server answers."""
    subject = f"A decision is due at {notice.due_at:%d %b %H:%M} UTC"
    text = notice.told(REMINDER)
    return _mail(dict.fromkeys(addresses, (subject, text)))


def send_escalations(notice: ReviewDue, addresses: Iterable[str]) -> int:
    """The same to those who are told when reviewers do not come."""
    subject = f"Undecided, and due at {notice.due_at:%d %b %H:%M} UTC"
    text = notice.told(ESCALATION)
    return _mail(dict.fromkeys(addresses, (subject, text)))


def send_abandonments(notice: ReviewDue, addresses: Iterable[str]) -> int:
    """To them as well: that nobody came at all."""
    subject = f"Undecided when it was due at {notice.due_at:%d %b %H:%M} UTC"
    text = notice.told(IN_VAIN)
    return _mail(dict.fromkeys(addresses, (subject, text)))


def send_openings(notices: Mapping[str, Sequence[ReviewDue]]) -> int:
    """Mail each address once, of all that waits there."""
    return _mail({one: _opening(waiting) for one, waiting in notices.items()})


def _opening(waiting: Sequence[ReviewDue]) -> tuple[str, str]:
    lines = "\n\n".join(notice.told(LINE) for notice in waiting[:MOST])
    count, more = len(waiting), ""
    if count > MOST:
        url = _link(reverse("admin:reviews_review_changelist"))
        more = MORE.format(count=count - MOST, url=url)
    jobs = "A job waits" if count == 1 else f"{count} jobs wait"
    return f"{jobs} for a decision", OPENING.format(lines=lines, more=more)


def _link(path: str) -> str:
    return f"{settings.PUBLIC_URL.rstrip('/')}{path}"


def _mail(letters: Mapping[str, tuple[str, str]]) -> int:
    connection = get_connection(timeout=PATIENCE)
    connection.open()
    try:
        mails = [
            EmailMessage(subject, text, to=[one], connection=connection)
            for one, (subject, text) in letters.items()
        ]
        return sum(_went(mail) for mail in mails)
    finally:
        connection.close()


def _went(mail: EmailMessage) -> bool:
    """One person's address must not keep the others from theirs."""
    try:
        return bool(mail.send())
    except (OSError, ValueError) as error:
        log.warning("a notice was not sent", error=type(error).__name__)
        return False


# ---- events ------------------------------------------------------------------------


def send_status(event: StatusEvent, to: Address, *, webhook_id: str) -> Answer:
    """Tell whoever asked for the job, signed as deliveries are."""
    return _post(event.body, to, webhook_id)


def send_test(to: Address, *, webhook_id: str, now: datetime) -> Answer:
    """A signed event that says nothing: does the receiver take it?"""
    return _post(_body("webhook.test", now, {}), to, webhook_id)


def _body(kind: str, at: datetime, data: Mapping[str, object]) -> str:
    return canonical_json({"type": kind, "timestamp": at.isoformat(), "data": data})


def _post(body: str, to: Address, webhook_id: str) -> Answer:
    request = {"url": to.url, "headers": own_headers(to.headers), "body": body}
    return send_webhook(request, webhook_id=webhook_id, secrets=to.secrets)
