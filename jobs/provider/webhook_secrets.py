"""What counts as a webhook secret: with an empty one, anybody could sign."""

import base64
from collections.abc import Iterable

PREFIX = "whsec_"
SHORTEST = 16  # bytes; the provider's own have 32


def is_real(secret: str) -> bool:
    """Whether this can keep forgeries out.

    What is not base64 after the prefix is not refused by the SDK but skipped by it, so
    that a secret of dots would be an empty one.
    """
    return len(_key(secret)) >= SHORTEST


def _key(secret: str) -> bytes:
    if not secret.startswith(PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except ValueError:
        return b""


def real_ones(secrets: Iterable[str]) -> list[str]:
    """Those that may be used; a start-up check names the others."""
    return [secret for secret in secrets if is_real(secret)]
