"""How requests are read and answers given: what all routes have in common."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from .errors import Refused

Endpoint = Callable[[Request], Awaitable[Response]]

LARGEST_BODY = 10 * 1024 * 1024
# Any key will do, but for two kinds that are there to be refused.
WRONG_KEY = "sk-wrong"
POOR_KEY = "sk-quota"


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


async def read_json(request: Request) -> Any:
    """The body of a request as JSON; one that is too large is read, but not kept."""
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= LARGEST_BODY:
            chunks.append(chunk)
    if size > LARGEST_BODY:
        raise Refused("The request body is too large.", status=413)
    return parse(b"".join(chunks))


def parse(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise Refused(
            "We could not parse the JSON body of your request. (HINT: This likely "
            "means you aren't using your HTTP library correctly.)"
        ) from None


def answer(body: Any, status: int = 200) -> Response:
    """JSON, as the API answers it."""
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
