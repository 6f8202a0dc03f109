"""The API of conversations and their items."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .answers import Endpoint, answer, guarded, read_json
from .conversations import Conversation, Conversations
from .errors import Refused, missing, unknown_parameter, wrong_value
from .items import Item, shown
from .orders import faulty
from .reading import INCLUDE, read_limit
from .strictness import check_includes, check_input, check_metadata, check_type

MOST_ITEMS = 20
CREATE = {"items": "array?", "metadata": "object?"}
UPDATE = {"metadata": "object?"}
ADD = {"items": "array"}
ORDERS = ("asc", "desc")
PAGED = ("after", "limit", "order")


async def create(request: Request) -> Response:
    body = checked(await read_json(request), CREATE)
    conversation = Conversation(body.get("metadata") or {}, now_at(request))
    conversation.add_items(body.get("items") or [])
    return answer(conversations_of(request).add(conversation).shown())


async def retrieve(request: Request) -> Response:
    return answer(asked_for(request).shown())


async def update(request: Request) -> Response:
    conversation = asked_for(request)
    body = checked(await read_json(request), UPDATE)
    if "metadata" not in body:
        raise missing("metadata")
    conversation.metadata = body["metadata"] or {}
    return answer(conversation.shown())


async def delete(request: Request) -> Response:
    """Its items are kept, though nobody can ask for them any more."""
    conversation = asked_for(request)
    conversation.deleted_at = now_at(request)
    kind = "conversation.deleted"
    return answer({"id": conversation.id, "object": kind, "deleted": True})


async def add_items(request: Request) -> Response:
    conversation, include = asked_for(request), read_query(request)["include"]
    body = checked(await read_json(request), ADD)
    if not body.get("items"):
        raise missing("items")
    return answer(as_list(conversation.add_items(body["items"]), False, include))


async def list_items(request: Request) -> Response:
    query = read_query(request, *PAGED)
    limit, order = read_limit(query["limit"] or "20"), query["order"] or "desc"
    if order not in ORDERS:
        raise wrong_value("order", order, ORDERS)
    page, more = asked_for(request).page(query["after"] or "", limit, order)
    return answer(as_list(page, more, query["include"]))


async def retrieve_item(request: Request) -> Response:
    include = read_query(request)["include"]
    found = asked_for(request).find(request.path_params["item_id"])
    return answer(shown(found, include))


async def delete_item(request: Request) -> Response:
    conversation = asked_for(request)
    conversation.remove(request.path_params["item_id"])
    return answer(conversation.shown())


def route(path: str, call: str, endpoint: Endpoint, method: str) -> Route:
    return Route(path, guarded(faulty(call, endpoint)), methods=[method])


ALL = "/v1/conversations"
ONE = f"{ALL}/{{id}}"
ITEMS = f"{ONE}/items"
ITEM = f"{ITEMS}/{{item_id}}"
ROUTES = [
    route(ALL, "new-conversation", create, "POST"),
    route(ONE, "conversation", retrieve, "GET"),
    route(ONE, "conversation", update, "POST"),
    route(ONE, "delete-conversation", delete, "DELETE"),
    route(ITEMS, "items", add_items, "POST"),
    route(ITEMS, "items", list_items, "GET"),
    route(ITEM, "items", retrieve_item, "GET"),
    route(ITEM, "delete-item", delete_item, "DELETE"),
]


def conversations_of(request: Request) -> Conversations:
    conversations: Conversations = request.app.state.conversations
    return conversations


def asked_for(request: Request) -> Conversation:
    """The one in the address, with the items of the runs that have ended by now."""
    found = conversations_of(request).find(request.path_params["id"])
    found.catch_up(now_at(request))
    return found


def conversation_in(request: Request, body: dict[str, Any]) -> Conversation | None:
    """The one that a run is to take place in, if there is nobody at work in it."""
    given = body.get("conversation")
    if not given:
        return None
    name = given.get("id") if isinstance(given, dict) else given
    check_type("conversation.id", name, "string")
    found = conversations_of(request).find(str(name))
    found.check_free(now_at(request))
    return found


def now_at(request: Request) -> float:
    now: float = request.app.state.store.clock()
    return now


def checked(body: Any, known: dict[str, str]) -> dict[str, Any]:
    """The body, if it has only these fields and no more than the API takes."""
    check_type("body", body, "object")
    for name, value in body.items():
        if name not in known:
            raise unknown_parameter(name)
        check_type(name, value, known[name])
    check_metadata(body)
    items = body.get("items") or []
    if len(items) > MOST_ITEMS:
        raise Refused(
            f"Invalid 'items': array too long. Expected an array with maximum length "
            f"{MOST_ITEMS}, but got an array with length {len(items)} instead.",
            param="items",
            code="array_above_max_length",
        )
    check_input({"input": items}, "items")
    return dict(body)


def read_query(request: Request, *known: str) -> dict[str, Any]:
    """What the address asks for; None for what it does not say."""
    said: dict[str, Any] = {"include": [], **dict.fromkeys(known)}
    for name, value in request.query_params.multi_items():
        if INCLUDE.fullmatch(name):
            said["include"].append(value)
        elif name in known:
            said[name] = value
        else:
            raise unknown_parameter(name)
    check_includes(said["include"])
    return said


def as_list(items: list[Item], more: bool, include: list[str]) -> dict[str, Any]:
    return {
        "object": "list",
        "data": [shown(item, include) for item in items],
        "first_id": items[0]["id"] if items else None,
        "last_id": items[-1]["id"] if items else None,
        "has_more": more,
    }
