"""Token authentication that notes when a token was last used."""

from datetime import timedelta
from typing import Any

from django.utils import timezone
from knox.auth import TokenAuthentication
from rest_framework.exceptions import AuthenticationFailed

NOTE_EVERY = timedelta(minutes=1)  # a write per request would be too dear


class NotedTokenAuthentication(TokenAuthentication):
    """Knox's, with `last_used_at` kept to the minute."""

    def authenticate_credentials(self, token: bytes) -> tuple[Any, Any]:
        if not token.isalnum():  # nor could a database be asked for every byte
            raise AuthenticationFailed("Invalid token.")
        user, found = super().authenticate_credentials(token)
        now = timezone.now()
        if found.last_used_at is None or now - found.last_used_at > NOTE_EVERY:
            type(found).objects.filter(pk=found.pk).update(last_used_at=now)
        return user, found
