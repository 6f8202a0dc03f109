"""Which headers are shown to people only by name."""

HIDDEN = "(hidden)"
SECRETIVE = (
    *("auth", "token", "key", "secret", "cookie", "pass", "credential", "session"),
    "sign",
)


def without_credentials(headers: dict[str, str]) -> dict[str, str]:
    """These headers, with what may be a credential hidden: told by its name alone."""
    return {
        name: HIDDEN if any(part in name.lower() for part in SECRETIVE) else value
        for name, value in headers.items()
    }
