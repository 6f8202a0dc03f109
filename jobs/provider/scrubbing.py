"""What others say of our requests, without what we opened the door with."""

SHORTEST = 8  # characters; a key like "none" hides nothing, and may stand in any text
STAND_IN = "(our key)"


def scrubbed(text: str, key: str) -> str:
    """The text without our key: a gateway may echo it, a header's fault tells it."""
    key = key.strip()
    return text.replace(key, STAND_IN) if len(key) >= SHORTEST else text
