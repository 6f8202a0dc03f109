"""The API of responses: create, retrieve, cancel, delete; and the list of models."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .answers import answer, check_quota, guarded, read_json
from .errors import Refused, unknown_parameter
from .prompts import read_prompt
from .scenarios import SCENARIOS, choose_scenario, play
from .store import Run, Store
from .strictness import check_create, check_includes
from .wire import show_models, show_response

INCLUDE = re.compile(r"include(?:\[\d*\])?")
RETRIEVE_PARAMS = ("include_obfuscation", "starting_after", "stream")


async def create(request: Request) -> Response:
    body = check_create(await read_json(request))
    check_quota(request.state.key)
    run = begin(store_of(request), body)
    run.request_key = request.headers.get("idempotency-key")
    request.app.state.sender.expect(run)
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
    if run.cancel(now := store.clock()):
        request.app.state.sender.tell(run)
    return answer(show_response(run, now, ()))


async def delete(request: Request) -> Response:
    run = store_of(request).find(request.path_params["id"])
    run.deleted = True
    return answer({"id": run.id, "object": "response", "deleted": True})


async def models(request: Request) -> Response:
    return answer(show_models())


ONE = "/v1/responses/{id}"
ROUTES = [
    Route("/v1/responses", guarded(create), methods=["POST"]),
    Route(ONE, guarded(retrieve), methods=["GET"]),
    Route(ONE, guarded(delete), methods=["DELETE"]),
    Route(f"{ONE}/cancel", guarded(cancel), methods=["POST"]),
    Route("/v1/models", guarded(models), methods=["GET"]),
]


def store_of(request: Request) -> Store:
    store: Store = request.app.state.store
    return store
