"""How faults are played around a call of the API.

Before the API hears of it, on what it answers, or in what it remembers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from math import ceil
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from . import breakage
from .answers import Endpoint, answer, answer_failure, answer_refused
from .errors import Refused, not_found
from .store import Run, Store
from .wire import show_response

# Seconds at scale 1.
COME_BACK = 20.0
LAG = 30.0  # between a create and the time from which all replicas know of it
RETENTION = 600.0


@dataclass(frozen=True)
class Call:
    """A call of the API that something may happen to."""

    request: Request
    handle: Endpoint
    scale: float

    @property
    def store(self) -> Store:
        store: Store = self.request.app.state.store
        return store

    @property
    def now(self) -> float:
        return self.store.clock()

    @property
    def run(self) -> Run | None:
        """The run that it is about; of a create, the one it has made."""
        asked = self.request.path_params.get("id", "")
        return self.store.runs.get(asked) or getattr(self.request.state, "run", None)

    @property
    def other(self) -> Run | None:
        """The newest run that it is not about."""
        runs = reversed(self.store.runs.values())
        return next((run for run in runs if run is not self.run), None)

    async def answer(self) -> Response:
        """What the API does and says, of its own accord."""
        try:
            return await self.handle(self.request)
        except Refused as refusal:
            return answer_refused(self.request, refusal)


Play = Callable[[Call], Awaitable[Response]]
Test = Callable[[Call], bool]


# ---- before the API hears of it -----------------------------------------------------


def instead(make: Callable[[Call], Response]) -> Play:
    """This is answered, and nothing is done."""

    async def play(call: Call) -> Response:
        return make(call)

    return play


def refuse(status: int, code: str, message: str, *, kind: str = "") -> Play:
    """An error body of the API."""
    kind = kind or ("server_error" if status >= 500 else "invalid_request_error")
    refused = Refused(message, status=status, code=code, kind=kind)
    return instead(lambda call: answer_refused(call.request, refused))


def rate_limit(retry_after: Callable[[Call], str] | None = None) -> Play:
    """Too many requests, and perhaps a word on when to come back."""
    message = "Rate limit reached for requests. Please try again later."
    code, kind = "rate_limit_exceeded", "requests"
    refused = Refused(message, status=429, code=code, kind=kind)

    def limited(call: Call) -> Response:
        said = answer_refused(call.request, refused)
        if retry_after:
            said.headers["retry-after"] = retry_after(call)
        return said

    return instead(limited)


def in_seconds(call: Call) -> str:
    return str(ceil(COME_BACK * call.scale))


def as_date(call: Call) -> str:
    at = datetime.fromtimestamp(call.now + ceil(COME_BACK * call.scale), UTC)
    return format_datetime(at, usegmt=True)


async def fail(call: Call) -> Response:
    return answer_failure(call.request, Exception())


# ---- on what it answers -------------------------------------------------------------


def spoiled(spoil: Callable[[Call, Response], Response]) -> Play:
    """The API does what it was asked, but this is what comes back."""

    async def play(call: Call) -> Response:
        return spoil(call, await call.answer())

    return play


def replaced(make: Callable[[], Response]) -> Play:
    return spoiled(lambda call, said: make())


def changed(change: Callable[[Call], dict[str, Any]]) -> Play:
    """A good answer that says something else in places."""

    def put(call: Call, said: Response) -> Response:
        if said.status_code != 200:
            return said
        return answer(orjson.loads(said.body) | change(call))

    return spoiled(put)


def drip(call: Call, said: Response) -> Response:
    dripping = breakage.Drip(said.body, said.status_code, media_type=said.media_type)
    dripping.pause = call.scale
    return dripping


def break_off(call: Call, said: Response) -> Response:
    return breakage.BrokenOff(said.body, said.status_code, media_type=said.media_type)


def truncate(call: Call, said: Response) -> Response:
    half = said.body[: len(said.body) // 2]
    return Response(half, said.status_code, media_type="application/json")


def call_it_text(call: Call, said: Response) -> Response:
    return Response(said.body, said.status_code, media_type="text/plain")


def make_huge(call: Call, said: Response) -> Response:
    return breakage.huge(said)


async def bomb(call: Call) -> Response:
    await call.answer()
    return await breakage.bomb()


def other_id(call: Call) -> dict[str, Any]:
    return {"id": call.other.id} if call.other else {}


# ---- in what it remembers -----------------------------------------------------------


def has_other(call: Call) -> bool:
    return call.other is not None


def has_ended(call: Call) -> bool:
    return bool(call.run and call.run.finished_at(call.now) is not None)


def is_young(call: Call) -> bool:
    return bool(call.run and call.now - call.run.created_at < LAG * call.scale)


def is_old(call: Call) -> bool:
    ended = call.run.finished_at(call.now) if call.run else None
    return ended is not None and call.now - ended > RETENTION * call.scale


def is_known_to_be_completed(call: Call) -> bool:
    return bool(call.run and call.run.shown_completed)


def can_be_cancelled(call: Call) -> bool:
    return bool(call.run and call.run.background) and not has_ended(call)


def not_found_yet(call: Call) -> Response:
    return answer_refused(call.request, not_found(call.request.path_params["id"]))


async def forget(call: Call) -> Response:
    if call.run:
        call.run.forgotten = True
    return await call.answer()


async def cancel_in_vain(call: Call) -> Response:
    said = await call.answer()
    if call.run:
        call.run.in_vain = True
    return said


async def work_again(call: Call) -> Response:
    if not call.run:
        return await call.answer()
    return answer(show_response(call.run, call.run.started_at, ()))
