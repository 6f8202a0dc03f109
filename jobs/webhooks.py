"""Where the provider tells us of its events: verified, kept, answered at once."""

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from prometheus_client import Counter

from jobs.kit.problems import not_found, problem_answer
from jobs.provider.events import HEADERS, EventRefused, Reason, read_event
from jobs.provider.webhook_secrets import real_ones
from jobs.services.receive import receive_event

log = structlog.get_logger(__name__)
PATH = "/webhooks/openai/"
LARGEST = 1_000_000  # bytes; a real one has a few hundred
refused = Counter(
    "bgreview_webhooks_refused", "Webhooks that were not taken, by reason.", ["reason"]
)
STATUS = {
    Reason.WRONG_METHOD: 405,
    Reason.WRONG_TYPE: 415,
    Reason.TOO_LARGE: 413,
}  # of all others: 400


@csrf_exempt  # the signature stands for it; there is no session
def openai_webhook(request: HttpRequest) -> HttpResponse:
    """Takes an event; without a secret that is one, there is nothing here."""
    secrets = real_ones(settings.OPENAI_WEBHOOK_SECRETS)
    if not secrets:
        return not_found(request)
    try:
        body = _read_body(request)
        headers = {name: request.headers.get(name, "") for name in HEADERS}
        event = read_event(body, headers, secrets=secrets, now=timezone.now())
    except EventRefused as refusal:
        return _refuse(refusal)
    receive_event(event)
    return HttpResponse(status=204)


def _read_body(request: HttpRequest) -> bytes:
    if request.method != "POST":
        raise EventRefused(Reason.WRONG_METHOD, "Events are posted.")
    if request.content_type != "application/json":
        raise EventRefused(Reason.WRONG_TYPE, "Events are application/json.")
    announced = request.headers.get("Content-Length", "")
    if announced.isdecimal() and int(announced[:20]) > LARGEST:
        raise _too_large()
    body = request.read(LARGEST + 1)
    if len(body) > LARGEST:
        raise _too_large()
    return body


def _too_large() -> EventRefused:
    return EventRefused(Reason.TOO_LARGE, f"An event has at most {LARGEST:,} bytes.")


def _refuse(refusal: EventRefused) -> HttpResponse:
    """Counted and logged with its reason; of what came, nothing is kept."""
    refused.labels(refusal.reason).inc()
    log.warning("webhook refused", reason=str(refusal.reason), detail=str(refusal))
    answer = problem_answer(STATUS.get(refusal.reason, 400), str(refusal))
    if refusal.reason is Reason.WRONG_METHOD:
        answer["Allow"] = "POST"
    return answer
