"""An approved result given to a function of this house, named in the settings.

It gets the body and the delivery's id, and may be called again with the same id: what
it did under that id before it must not do twice.
"""

from collections.abc import Callable
from threading import Thread
from typing import Any

import structlog
from django.conf import settings
from django.db import connections
from django.utils.module_loading import import_string

from reviews.delivery.answer import Answer
from reviews.delivery.failures import FailureClass

log = structlog.get_logger(__name__)
PATIENCE = 15.0  # seconds for one call
Handler = Callable[[dict[str, Any], str], object]


def call_handler(request: dict[str, Any], *, webhook_id: str) -> Answer:
    """Call it with the stored body; what it raises is tried again.

    A thread cannot be stopped: of one that takes too long nobody knows what it did.
    """
    name = request["handler"]
    if name not in settings.DELIVERY_HANDLERS:
        why = f"{name} is not in DELIVERY_HANDLERS."
        return Answer(why, FailureClass.FORBIDDEN, left=False)
    said: list[Answer] = []
    call = (import_string(name), request["body"], webhook_id, said)
    thread = Thread(target=_call, args=call, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    late = f"{name} did not return within {PATIENCE:g} s: it may still do its work."
    return said[0] if said else Answer(late, FailureClass.LOST)


def _call(
    handler: Handler, body: dict[str, Any], webhook_id: str, said: list[Answer]
) -> None:
    try:
        handler(body, webhook_id)
        said.append(Answer("It returned."))
    except Exception as error:  # whatever it raises: it is not our code
        log.exception("a delivery handler failed", webhook_id=webhook_id)
        why = f"It raised {type(error).__name__}: {error}"
        said.append(Answer(why, FailureClass.TRANSIENT))
    finally:
        connections.close_all()  # those that it opened in this thread
