"""An approved result by mail, through Django's mail backend."""

import smtplib
from typing import Any

from django.conf import settings
from django.core.mail import BadHeaderError, EmailMessage, get_connection

from reviews.delivery.answer import Answer
from reviews.delivery.failures import FailureClass, class_of_refusals, class_of_reply
from reviews.delivery.smtp import Refusals, RememberingBackend

SMTP = "django.core.mail.backends.smtp.EmailBackend"
PATIENCE = 10.0  # seconds for each answer of the mail server
LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def send_email(request: dict[str, Any], *, webhook_id: str) -> Answer:
    """Send the stored mail; the id goes along as its Message-ID's first part."""
    if _would_leave_the_machine() and settings.PROVIDER == "sandbox":
        why = "Sandbox results are mailed on loopback only."
        return Answer(why, FailureClass.FORBIDDEN, left=False)
    connection = _connection()
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
        return Answer(_told(error), FailureClass.TRANSIENT, left=False)
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
        return Answer(_told(error), class_of_refusals(codes), left=False)
    except smtplib.SMTPResponseException as error:
        left = isinstance(error, smtplib.SMTPDataError)
        return Answer(_told(error), class_of_reply(error.smtp_code), left=left)
    except BadHeaderError as error:
        return Answer(_told(error), FailureClass.MALFORMED, left=False)
    except (OSError, smtplib.SMTPException) as error:
        return Answer(f"It may have gone: {_told(error)}", FailureClass.LOST)
    return _handed_over(message)


def _handed_over(message: EmailMessage) -> Answer:
    """For all of them, or for some: then it is not delivered, and not undone either."""
    connection = message.connection
    refused: Refusals = {}
    if isinstance(connection, RememberingBackend):
        refused = connection.refused
    taken = ", ".join(one for one in message.to if one not in refused)
    if not refused:
        return Answer(f"Handed over for {taken}.")
    told = "; ".join(
        f"{one}: {code} {reply.decode(errors='replace')}"
        for one, (code, reply) in refused.items()
    )
    why = f"Handed over for {taken}; refused for {told}."
    return Answer(why, FailureClass.PARTLY_REFUSED)


def _connection() -> Any:
    """Django's own backend, or over SMTP the one that tells who was refused."""
    if settings.EMAIL_BACKEND == SMTP:
        return RememberingBackend(timeout=PATIENCE)
    return get_connection(timeout=PATIENCE)


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _would_leave_the_machine() -> bool:
    return settings.EMAIL_BACKEND == SMTP and settings.EMAIL_HOST not in LOOPBACK
