"""The sandbox as an ASGI application."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from . import conversing, endpoints, orders, responses
from .answers import answer, answer_failure, answer_no_route, answer_refused
from .conversations import Conversations
from .endpoints import Endpoint, Endpoints
from .errors import Refused
from .events import RESPONSE_EVENTS
from .orders import Orders
from .scenarios import Scenario
from .sender import Sender
from .store import Clock, Store, steady_clock


def make_app(
    scale: float = 1.0,
    *,
    clock: Clock = steady_clock,
    webhook_url: str = "",
    webhook_secret: str = "",
    seed: int | None = None,
    recordings: Mapping[str, Scenario] | None = None,
) -> Starlette:
    """A provider with an empty memory, whose durations are multiplied by `scale`.

    It tells the ends of responses to `webhook_url`, and throws its dice from `seed`.
    `recordings` are further scenarios, by name.
    """
    store, known = Store(scale, clock, recordings or {}), Endpoints()
    faults = Orders(scale, clock, seed)
    sender = Sender(store, known, faults)
    if webhook_url:
        known.add(first_endpoint(webhook_url, webhook_secret, clock()))
    app = Starlette(
        routes=[
            *responses.ROUTES,
            *conversing.ROUTES,
            *endpoints.ROUTES,
            *orders.ROUTES,
            Route("/sandbox/ledger", ledger, methods=["GET"]),
            Route("/healthz", healthz, methods=["GET"]),
        ],
        exception_handlers={
            Refused: answer_refused,
            HTTPException: answer_no_route,
            Exception: answer_failure,
        },
        lifespan=lambda app: sender.at_work(),
    )
    app.state.store, app.state.orders = store, faults
    app.state.endpoints, app.state.sender = known, sender
    app.state.conversations = Conversations()
    return app


def first_endpoint(url: str, secret: str, now: float) -> Endpoint:
    """The one that the sandbox was started with."""
    return Endpoint("start", url, list(RESPONSE_EVENTS), now, secret=secret)


async def ledger(request: Request) -> Response:
    """What was asked of the sandbox: for audits, so without a key."""
    state = request.app.state
    entries, faults = list(state.store.ledger()), state.orders.counts()
    threads = list(state.conversations.ledger(state.store.clock()))
    said = {"data": entries, "conversations": threads, "faults": faults}
    return answer({"object": "list"} | said)


async def healthz(request: Request) -> Response:
    return answer({"status": "ok"})
