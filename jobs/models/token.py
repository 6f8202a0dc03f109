"""ApiToken: what a program shows instead of a password; only its hash is kept."""

from django.db import models
from knox.models import AbstractAuthToken


class ApiToken(AbstractAuthToken):
    """A named token of a user, with the time of its last use."""

    name = models.CharField(max_length=100, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta(AbstractAuthToken.Meta):
        ordering = ["-created"]

    def __str__(self) -> str:
        return f"{self.name or self.token_key} of {self.user}"
