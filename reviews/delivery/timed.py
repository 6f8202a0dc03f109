"""One try, timed; whatever goes wrong on our side is an answer too."""

import time
from collections.abc import Callable

import structlog

from reviews.delivery.answer import Answer
from reviews.delivery.failures import FailureClass

log = structlog.get_logger(__name__)


def timed(send: Callable[[], Answer], *, webhook_id: str) -> tuple[Answer, int]:
    """What came of it, and the milliseconds it took."""
    began = time.monotonic()
    try:
        answer = send()
    except Exception as error:  # a mistake of ours must not stop the others
        log.exception("could not send", webhook_id=webhook_id)
        why = f"Could not be sent: {type(error).__name__}."
        answer = Answer(why, FailureClass.OUR_BUG)
    return answer, int(1000 * (time.monotonic() - began))
