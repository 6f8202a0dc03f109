"""What counts as a webhook secret: with an empty one, anybody could sign."""

import base64
from collections.abc import Iterable

PREFIX = "whsec_"
SHORTEST = 16  # bytes; the provider's own have 32


def is_real(secret: str) -> bool:
    """Whether this can keep forgeries out."""
    return len(key_of(secret)) >= SHORTEST


def key_of(secret: str) -> bytes:
    """What signs: empty where it is not base64 after the prefix."""
    if not secret.startswith(PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except ValueError:
        return b""


def real_ones(secrets: Iterable[str]) -> list[str]:
    """Those that may be used; a start-up check names the others."""
    return [secret for secret in secrets if is_real(secret)]
