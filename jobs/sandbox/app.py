"""The sandbox as an ASGI application."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .errors import Refused, unknown_parameter
from .prompts import read_prompt
from .scenarios import SCENARIOS, choose_scenario, play
from .store import Clock, Run, Store, steady_clock
from .strictness import check_create, check_includes
from .wire import show_models, show_response

Endpoint = Callable[[Request], Awaitable[Response]]

LARGEST_BODY = 10 * 1024 * 1024
INCLUDE = re.compile(r"include(?:\[\d*\])?")
# Any key will do, but for two kinds that are there to be refused.
WRONG_KEY = "sk-wrong"
POOR_KEY = "sk-quota"
RETRIEVE_PARAMS = ("include_obfuscation", "starting_after", "stream")


def make_app(scale: float = 1.0, *, clock: Clock = steady_clock) -> Starlette:
    """A provider with an empty memory, whose durations are multiplied by `scale`."""
    app = Starlette(
        routes=[
            Route("/v1/responses", guarded(create), methods=["POST"]),
            Route("/v1/responses/{id}", guarded(retrieve), methods=["GET"]),
            Route("/v1/responses/{id}", guarded(delete), methods=["DELETE"]),
            Route("/v1/responses/{id}/cancel", guarded(cancel), methods=["POST"]),
            Route("/v1/models", guarded(models), methods=["GET"]),
            Route("/sandbox/ledger", ledger, methods=["GET"]),
            Route("/healthz", healthz, methods=["GET"]),
        ],
        exception_handlers={
            Refused: answer_refused,
            HTTPException: answer_no_route,
            Exception: answer_failure,
        },
    )
    app.state.store = Store(scale, clock)
    return app


def guarded(endpoint: Endpoint) -> Endpoint:
    """The endpoint, for those who bring a key."""

    async def with_key(request: Request) -> Response:
        request.state.key = read_key(request.headers.get("authorization"))
        return await endpoint(request)

    return with_key


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


async def create(request: Request) -> Response:
    body = check_create(parse(await read_body(request)))
    check_quota(request.state.key)
    run = begin(store_of(request), body)
    include = body.get("include") or ()
    if not run.background:
        # As with the real API, whoever does not ask for background waits.
        await asyncio.sleep(run.ends_at - run.created_at)
        return answer(show_response(run, run.ends_at, include))
    return answer(show_response(run, run.created_at, include))


def begin(store: Store, body: dict[str, Any]) -> Run:
    scenario = choose_scenario(body)
    prompt = read_prompt(body, text_before(store, body))
    outcome = play(body, prompt, scenario, store.earlier_runs(body, scenario))
    return store.add(body, scenario, prompt.text, outcome, SCENARIOS[scenario].pace)


def text_before(store: Store, body: dict[str, Any]) -> str:
    """The text of the response that this one follows."""
    previous = body.get("previous_response_id")
    if not previous:
        return ""
    try:
        return store.find(previous).text
    except Refused:
        raise Refused(
            f"Previous response with id '{previous}' not found.",
            param="previous_response_id",
            code="previous_response_not_found",
        ) from None


async def retrieve(request: Request) -> Response:
    include = read_include(request)
    store = store_of(request)
    run = store.find(request.path_params["id"])
    run.retrieved += 1
    # Evidence has to be asked for both times.
    both = set(include) & set(run.request.get("include") or ())
    return answer(show_response(run, store.clock(), both))


def read_include(request: Request) -> list[str]:
    include = []
    for name, value in request.query_params.multi_items():
        if INCLUDE.fullmatch(name):
            include.append(value)
        elif name not in RETRIEVE_PARAMS:
            raise unknown_parameter(name)
    check_includes(include)
    if request.query_params.get("stream", "false") != "false":
        message = "The sandbox does not serve 'stream'."
        raise Refused(message, param="stream", code="unsupported_parameter")
    return include


async def cancel(request: Request) -> Response:
    store = store_of(request)
    run = store.find(request.path_params["id"])
    run.cancel(now := store.clock())
    return answer(show_response(run, now, ()))


async def delete(request: Request) -> Response:
    run = store_of(request).find(request.path_params["id"])
    run.deleted = True
    return answer({"id": run.id, "object": "response", "deleted": True})


async def models(request: Request) -> Response:
    return answer(show_models())


async def ledger(request: Request) -> Response:
    """What was asked of the sandbox: for audits, so without a key."""
    entries = list(store_of(request).ledger())
    return answer({"object": "list", "data": entries})


async def healthz(request: Request) -> Response:
    return answer({"status": "ok"})


def store_of(request: Request) -> Store:
    store: Store = request.app.state.store
    return store


async def read_body(request: Request) -> bytes:
    """The body; one that is too large is read to its end, but not kept."""
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= LARGEST_BODY:
            chunks.append(chunk)
    if size > LARGEST_BODY:
        raise Refused("The request body is too large.", status=413)
    return b"".join(chunks)


def parse(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise Refused(
            "We could not parse the JSON body of your request. (HINT: This likely "
            "means you aren't using your HTTP library correctly.)"
        ) from None


def answer(body: dict[str, Any], status: int = 200) -> Response:
    headers = {"x-request-id": f"req_{secrets.token_hex(16)}"}
    json = "application/json"
    return Response(orjson.dumps(body), status, headers, media_type=json)


def answer_refused(request: Request, refusal: Any) -> Response:
    return answer(refusal.body(), refusal.status)


def answer_no_route(request: Request, error: Any) -> Response:
    url = f"{request.method} {request.url.path}"
    refusal = Refused(f"Invalid URL ({url})", status=error.status_code)
    return answer(refusal.body(), error.status_code)


def answer_failure(request: Request, error: Exception) -> Response:
    message = "The server had an error while processing your request. Sorry!"
    refusal = Refused(message, status=500, kind="server_error")
    return answer(refusal.body(), 500)
