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
    connection = get_connection(timeout=PATIENCE)
    message = EmailMessage(
        request["subject"],
        request["text"],
        to=request["to"],
        headers={"Message-ID": f"<{webhook_id}@{settings.INSTANCE_ID}>"},
        connection=connection,
    )
    try:
        connection.open()
    except (OSError, smtplib.SMTPException) as error:
        return Answer(Outcome.AGAIN, _told(error))
    try:
        return _hand_over(message)
    finally:
        connection.close()


def _hand_over(message: EmailMessage) -> Answer:
    """What the server said of it; a connection lost meanwhile leaves that open."""
    try:
        message.send()
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _ in error.recipients.values()]
        return Answer(_refused(max(codes)), _told(error))
    except smtplib.SMTPResponseException as error:
        return Answer(_refused(error.smtp_code), _told(error))
    except BadHeaderError as error:
        return Answer(Outcome.FAILED, _told(error))
    except (OSError, smtplib.SMTPException) as error:
        return Answer(Outcome.UNCERTAIN, f"It may have gone: {_told(error)}")
    return Answer(Outcome.DELIVERED, f"Handed over for {', '.join(message.to)}.")


def _refused(code: int) -> Outcome:
    """A 4xx, as greylisting has it, will pass; a 5xx will not."""
    return Outcome.AGAIN if code < 500 else Outcome.FAILED


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _would_leave_the_machine() -> bool:
    return settings.EMAIL_BACKEND == SMTP and settings.EMAIL_HOST not in LOOPBACK
