"""An approved result by mail, through Django's mail backend."""

import smtplib
from typing import Any

from django.conf import settings
from django.core.mail import BadHeaderError, EmailMessage, get_connection

from reviews.delivery.answer import Answer, Outcome

SMTP = "django.core.mail.backends.smtp.EmailBackend"
PATIENCE = 10.0  # seconds for each answer of the mail server
LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def send_email(request: dict[str, Any], *, webhook_id: str) -> Answer:
    """Send the stored mail; the id goes along as its Message-ID's first part."""
    if _would_leave_the_machine() and settings.PROVIDER == "sandbox":
        return Answer(Outcome.FAILED, "Sandbox results are mailed on loopback only.")
    message = EmailMessage(
        request["subject"],
        request["text"],
        to=request["to"],
        headers={"Message-ID": f"<{webhook_id}@{settings.INSTANCE_ID}>"},
        connection=get_connection(timeout=PATIENCE),
    )
    try:
        message.send()
    except smtplib.SMTPRecipientsRefused as error:
        # A 4xx, as greylisting has it, will pass; a 5xx will not.
        for_now = all(code < 500 for code, _ in error.recipients.values())
        outcome = Outcome.AGAIN if for_now else Outcome.FAILED
        return Answer(outcome, f"{type(error).__name__}: {error}")
    except BadHeaderError as error:
        return Answer(Outcome.FAILED, f"{type(error).__name__}: {error}")
    except (OSError, smtplib.SMTPException) as error:
        return Answer(Outcome.AGAIN, f"{type(error).__name__}: {error}")
    return Answer(Outcome.DELIVERED, f"Handed over for {', '.join(request['to'])}.")


def _would_leave_the_machine() -> bool:
    return settings.EMAIL_BACKEND == SMTP and settings.EMAIL_HOST not in LOOPBACK
