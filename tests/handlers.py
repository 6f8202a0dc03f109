"""What a house may register as delivery handlers."""

import threading
from typing import Any

calls: list[tuple[dict[str, Any], str]] = []
released = threading.Event()


def take(body: dict[str, Any], webhook_id: str) -> None:
    calls.append((body, webhook_id))


def fail(body: dict[str, Any], webhook_id: str) -> None:
    raise ConnectionError("the ledger is closed")


def hang(body: dict[str, Any], webhook_id: str) -> None:
    released.wait(10)
