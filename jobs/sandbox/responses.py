"""The API of responses: create, retrieve, cancel, delete; and the list of models."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .answers import Endpoint, answer, check_quota, guarded, read_json
from .calls import calls_made, check_answers
from .conversations import Conversation
from .conversing import conversation_in
from .errors import Refused, unknown_parameter
from .orders import faulty
from .prompts import TAG, item_texts, read_prompt
from .reading import INCLUDE
from .scenarios import choose_scenario, play
from .store import Run, Store
from .strictness import check_create, check_includes
from .wire import show_models, show_response

RETRIEVE_PARAMS = ("include_obfuscation", "starting_after", "stream")


async def create(request: Request) -> Response:
    body = check_create(await read_json(request))
    check_quota(request.state.key)
    conversation = conversation_in(request, body)
    run = begin(store_of(request), body, conversation)
    if conversation:
        conversation.add_run(run)
    run.request_key = request.headers.get("idempotency-key")
    request.state.run = run
    request.app.state.sender.expect(run)
    include = body.get("include") or ()
    if not run.background:
        # As with the real API, whoever does not ask for background waits.
        await asyncio.sleep(run.ends_at - run.created_at)
        return answer(show_response(run, run.ends_at, include))
    return answer(show_response(run, run.created_at, include))


def begin(store: Store, body: dict[str, Any], within: Conversation | None) -> Run:
    previous = run_before(store, body)
    follows = previous.scenario if previous else ""
    choice = choose_scenario(body, store.recordings, follows)
    before = previous.outcome.items if previous else []
    said = previous.text if previous else ""
    if within:
        before = within.open_items()
        said = TAG.sub("", "\n\n".join(item_texts(within.last_asked())))
    check_answers(body, before)
    prompt = read_prompt(body, said)
    earlier, done = store.count_run(body, choice.tag), calls_made(body, before)
    outcome = play(body, prompt, choice, earlier, done)
    return store.add(body, choice.tag, prompt.text, outcome, choice.scenario.pace)


def run_before(store: Store, body: dict[str, Any]) -> Run | None:
    """The run that this one follows."""
    previous = body.get("previous_response_id")
    if not previous:
        return None
    try:
        return store.find(previous)
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
    run.shown_completed |= run.status(store.clock()) == "completed"
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


def route(path: str, call: str, endpoint: Endpoint, method: str) -> Route:
    return Route(path, guarded(faulty(call, endpoint)), methods=[method])


ONE = "/v1/responses/{id}"
ROUTES = [
    route("/v1/responses", "create", create, "POST"),
    route(ONE, "retrieve", retrieve, "GET"),
    route(ONE, "delete", delete, "DELETE"),
    route(f"{ONE}/cancel", "cancel", cancel, "POST"),
    route("/v1/models", "models", models, "GET"),
]


def store_of(request: Request) -> Store:
    store: Store = request.app.state.store
    return store
