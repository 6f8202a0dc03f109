"""Who may call: any key, but for two kinds that are there to be refused."""

from __future__ import annotations

from .errors import Refused

WRONG_KEY = "sk-wrong"
POOR_KEY = "sk-quota"


def read_key(authorization: str | None) -> str:
    """The bearer's key, if there is one and it is right."""
    scheme, _, key = (authorization or "").partition(" ")
    key = key.strip()
    if scheme.lower() != "bearer" or not key:
        raise Refused(
            "You didn't provide an API key. You need to provide your API key in an "
            "Authorization header using Bearer auth (i.e. Authorization: Bearer "
            "YOUR_KEY).",
            status=401,
        )
    if key.startswith(WRONG_KEY):
        raise Refused(
            f"Incorrect API key provided: {key[:8]}****.",
            status=401,
            code="invalid_api_key",
        )
    return key


def check_quota(key: str) -> None:
    """Refuse new work to a key without credit."""
    if key.startswith(POOR_KEY):
        raise Refused(
            "You exceeded your current quota, please check your plan and billing "
            "details.",
            status=429,
            code="insufficient_quota",
            kind="insufficient_quota",
        )
