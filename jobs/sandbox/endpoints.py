"""Webhook endpoints: whom to tell what, signed with which secrets."""

from __future__ import annotations

import secrets
from base64 import b64encode
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import dropwhile
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .answers import answer, guarded, read_json
from .errors import Refused, missing, unknown_parameter, wrong_value
from .events import EVENT_TYPES, Event
from .items import new_id
from .reading import read_limit
from .strictness import check_type

DAY = 24 * 3600.0
FIELDS = {"event_types": "array", "name": "string", "url": "string"}
KEEP = "keep_old_secret_active_for_24_hours"


def new_secret() -> str:
    return "whsec_" + b64encode(secrets.token_bytes(32)).decode()


@dataclass
class Endpoint:
    """A receiver of events."""

    name: str
    url: str
    event_types: list[str]
    created_at: float
    secret: str = field(default_factory=new_secret)
    id: str = field(default_factory=lambda: new_id("we"))
    updated_at: float = 0
    old_secret: str = ""
    old_secret_until: float = 0

    def secrets(self, now: float) -> list[str]:
        """All that are active, the newest first."""
        old = [self.old_secret] if now < self.old_secret_until else []
        return [self.secret, *old]

    def rotate(self, now: float, *, keep_for: float) -> None:
        """Take a new secret; the old one stays active for a while."""
        self.old_secret, self.old_secret_until = self.secret, now + keep_for
        self.secret, self.updated_at = new_secret(), now

    def shown(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": "webhook_endpoint",
            "created_at": int(self.created_at),
            "updated_at": int(self.updated_at or self.created_at),
            "name": self.name,
            "url": self.url,
            "event_types": self.event_types,
            "signing_secret_hint": f"whsec_...{self.secret[-4:]}",
        }

    def shown_with_secret(self) -> dict[str, Any]:
        """At create and after a rotation, and never again."""
        return {**self.shown(), "signing_secret": self.secret}


class Endpoints:
    """Those there are."""

    def __init__(self) -> None:
        self.known: dict[str, Endpoint] = {}

    def add(self, endpoint: Endpoint) -> Endpoint:
        self.known[endpoint.id] = endpoint
        return endpoint

    def find(self, endpoint_id: str) -> Endpoint:
        try:
            return self.known[endpoint_id]
        except KeyError:
            message = f"No webhook endpoint found with id '{endpoint_id}'."
            raise Refused(message, status=404) from None

    def for_type(self, event_type: str) -> list[Endpoint]:
        """Those that want to be told events of this type."""
        return [one for one in self.known.values() if event_type in one.event_types]

    def page(self, after: str | None, limit: int) -> tuple[list[Endpoint], bool]:
        """Newest first, and whether there are more."""
        newest: Iterable[Endpoint] = reversed(self.known.values())
        if after:
            newest = list(dropwhile(lambda one: one.id != after, newest))[1:]
        found = list(newest)
        return found[:limit], len(found) > limit


# ---- the API ------------------------------------------------------------------------


async def create(request: Request) -> Response:
    body = checked(await read_json(request), FIELDS)
    for name in FIELDS:
        if not body.get(name):
            raise missing(name)
    endpoint = Endpoint(**body, created_at=now_at(request))
    return answer(endpoints_of(request).add(endpoint).shown_with_secret())


async def update(request: Request) -> Response:
    endpoint = asked_for(request)
    body = checked(await read_json(request), FIELDS)
    for name, value in body.items():
        setattr(endpoint, name, value)
    if body:
        endpoint.updated_at = now_at(request)
    return answer(endpoint.shown())


async def retrieve(request: Request) -> Response:
    return answer(asked_for(request).shown())


async def list_all(request: Request) -> Response:
    limit = read_limit(request.query_params.get("limit", "20"))
    after = request.query_params.get("after")
    found, more = endpoints_of(request).page(after, limit)
    return answer(
        {
            "object": "list",
            "data": [endpoint.shown() for endpoint in found],
            "first_id": found[0].id if found else None,
            "last_id": found[-1].id if found else None,
            "has_more": more,
        }
    )


async def delete(request: Request) -> Response:
    endpoint = asked_for(request)
    del endpoints_of(request).known[endpoint.id]
    kind = "webhook_endpoint.deleted"
    return answer({"id": endpoint.id, "object": kind, "deleted": True})


async def rotate_secret(request: Request) -> Response:
    endpoint = asked_for(request)
    body = checked(await read_json(request), {KEEP: "boolean?"})
    day = DAY * request.app.state.store.scale
    endpoint.rotate(now_at(request), keep_for=day if body.get(KEEP) else 0)
    return answer(endpoint.shown_with_secret())


async def test(request: Request) -> Response:
    endpoint = asked_for(request)
    body = checked(await read_json(request), {"event_type": "string"})
    event_type = body.get("event_type")
    if event_type not in EVENT_TYPES:
        raise wrong_value("event_type", event_type, EVENT_TYPES)
    sample = Event(event_type, new_id("resp"), now_at(request))
    status = await request.app.state.sender.post(sample, endpoint)
    if status is None:
        raise Refused(f"No answer from {endpoint.url}.", code="webhook_unreachable")
    return answer(
        {
            "object": "webhook_endpoint.test",
            "webhook_endpoint_id": endpoint.id,
            "event_type": event_type,
            "status_code": status,
            "success": True,
        }
    )


async def list_types(request: Request) -> Response:
    return answer({"object": "list", "data": list(EVENT_TYPES)})


ALL = "/v1/webhook_endpoints"
ONE = f"{ALL}/{{id}}"
ROUTES = [
    Route(ALL, guarded(create), methods=["POST"]),
    Route(ALL, guarded(list_all), methods=["GET"]),
    Route(ONE, guarded(retrieve), methods=["GET"]),
    Route(ONE, guarded(update), methods=["POST"]),
    Route(ONE, guarded(delete), methods=["DELETE"]),
    Route(f"{ONE}/rotate_secret", guarded(rotate_secret), methods=["POST"]),
    Route(f"{ONE}/test", guarded(test), methods=["POST"]),
    Route("/v1/webhook_event_types", guarded(list_types), methods=["GET"]),
]


def endpoints_of(request: Request) -> Endpoints:
    endpoints: Endpoints = request.app.state.endpoints
    return endpoints


def asked_for(request: Request) -> Endpoint:
    return endpoints_of(request).find(request.path_params["id"])


def now_at(request: Request) -> float:
    now: float = request.app.state.store.clock()
    return now


def checked(body: Any, known: dict[str, str]) -> dict[str, Any]:
    """The body, if it has only fields of these types, and their values are sound."""
    check_type("body", body, "object")
    for name, value in body.items():
        if name not in known:
            raise unknown_parameter(name)
        check_type(name, value, known[name])
    for place, event_type in enumerate(body.get("event_types", ())):
        if event_type not in EVENT_TYPES:
            raise wrong_value(f"event_types[{place}]", event_type, EVENT_TYPES)
    if "url" in body:
        check_url(body["url"])
    return dict(body)


def check_url(url: str) -> None:
    # The real API wants https. Ours is tried on machines without certificates.
    with suppress(ValueError):
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname:
            return
    message = f"Invalid 'url': '{url}' is not the URL of a web server."
    raise Refused(message, param="url", code="invalid_url")
