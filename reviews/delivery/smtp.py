"""Django's mail backend, but for the answer it drops: whom the server refused."""

import smtplib
from typing import Any

from django.core.mail.backends.smtp import EmailBackend

Refusals = dict[str, tuple[int, bytes]]


class Remembering(smtplib.SMTP):
    """A connection that remembers which recipients of its last mail were refused."""

    refused: Refusals = {}

    def sendmail(self, *args: Any, **kwargs: Any) -> Refusals:
        self.refused = super().sendmail(*args, **kwargs)
        return self.refused


class RememberingSSL(Remembering, smtplib.SMTP_SSL):
    """The same, encrypted from the first byte on."""


class RememberingBackend(EmailBackend):
    """Sends as Django does."""

    @property
    def connection_class(self) -> type[smtplib.SMTP]:
        return RememberingSSL if self.use_ssl else Remembering

    @property
    def refused(self) -> Refusals:
        connection = self.connection
        return connection.refused if isinstance(connection, Remembering) else {}
