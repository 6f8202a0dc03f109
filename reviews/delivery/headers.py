"""Which headers go along: a destination's own, and ours."""

from collections.abc import Mapping

RESERVED = {  # ours to set: a destination's own headers may not stand in for them
    "bgreview-content-sha256",
    "bgreview-decision",
    "connection",
    "content-length",
    "content-type",
    "host",
    "transfer-encoding",
    "user-agent",
    "webhook-id",
    "webhook-signature",
    "webhook-timestamp",
}


def own_headers(given: Mapping[str, str]) -> dict[str, str]:
    """A destination's own headers with ours, as they are stored and sent."""
    own = {name: v for name, v in given.items() if name.lower() not in RESERVED}
    return {**own, "content-type": "application/json", "user-agent": "bgreview"}
