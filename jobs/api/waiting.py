"""Clients that wait: held in front of Django, where waiting costs no thread.

Django's chain has middleware that is not async, so a view that waits would hold a
thread, and with it a connection, for as long. Here a waiting client is one coroutine:
Django answers who it is and how the job stands, in a moment; one watcher per process
tells when that has changed; Django answers again. Rights, problems and shapes are those
of the API's own views.
"""

import asyncio
import json
import re
import signal
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

import structlog
from django.http import HttpResponse

from jobs.api.follow import USUAL
from jobs.api.throttle import AGAIN
from jobs.api.watcher import Watcher
from jobs.kit.problems import BROKEN, problem_answer
from jobs.models import Job

PATH = re.compile(
    r"/api/v1/jobs/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/(wait|stream)/"
)
MOST = 2_000  # waiting clients in one process
MOST_EACH = 200  # of them with the same token, so that others find a place
ASKING = 8  # of them asking Django at a time: each of these holds a connection
STILL_HERE = 15  # seconds between two signs of life in a stream
COME_AGAIN = 5  # seconds
MOVES_ON = {Job.Status.APPROVED}  # which has ended for us, and will be delivered
log = structlog.get_logger(__name__)

Scope = dict[str, Any]
Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Held = Callable[[Scope, UUID, Send], Awaitable[None]]
Headers = Sequence[tuple[bytes, bytes]]


@dataclass
class Answer:
    """What Django said, all of it."""

    code: int = 500
    headers: Headers = ()
    body: bytes = b""

    @property
    def job(self) -> dict[str, Any]:
        """The job, as JSON or in the one event of a stream; nothing if refused."""
        is_event = self.body.startswith(b"id: ")
        text = self.body.partition(b"\ndata: ")[2] if is_event else self.body
        return json.loads(text) if self.code == 200 else {}

    async def send_to(self, send: Send) -> None:
        await send(_start(self.code, self.headers))
        await send({"type": "http.response.body", "body": self.body})


class Waiting:
    """The same application, holding back what /wait/ and /stream/ answer."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._watcher = Watcher()
        self._asking = asyncio.Semaphore(ASKING)
        self._held = Counter[bytes]()  # by what they have for a token
        self._is_told_to_stop = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = PATH.fullmatch(scope["path"]) if scope["type"] == "http" else None
        if found is None or scope["method"] != "GET":
            return await self._app(scope, receive, send)
        if len(self._watcher) >= MOST:
            said = f"{MOST:,} clients wait here already. Poll meanwhile."
            return await _later(503, said).send_to(send)
        token = _token(scope)
        if self._held[token] >= MOST_EACH:
            said = f"{MOST_EACH} clients with this token wait here already."
            return await _later(429, f"{said} Poll meanwhile.").send_to(send)
        self._end_with_the_server()
        self._held[token] += 1
        try:
            await self._hold(scope, found, receive, send)
        finally:
            self._held[token] -= 1
            self._held += Counter()  # forgets those with none
        return None

    async def _hold(
        self, scope: Scope, found: re.Match[str], receive: Receive, send: Send
    ) -> None:
        """Until there is an answer, or nobody who would hear it."""
        await receive()  # a GET has nothing to say: what comes next is its leaving
        held = self._wait if found[2] == "wait" else self._stream
        client = asyncio.create_task(_until_gone(receive))
        answer = asyncio.create_task(_whole(held, scope, UUID(found[1]), send))
        try:
            await asyncio.wait({client, answer}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            client.cancel()
            answer.cancel()
        if answer.done() and not answer.cancelled():
            answer.result()

    async def _wait(self, scope: Scope, job: UUID, send: Send) -> None:
        answer = await self._ask(scope)
        if found := answer.job:
            options = parse_qs(scope["query_string"].decode())
            seconds = int(options.get("timeout", [USUAL])[-1])
            known = int(options.get("revision", [found["revision"]])[-1])
            is_over = "revision" not in options and found["finished_at"]
            if known == found["revision"] and seconds and not is_over:
                await self._watcher.until_changed(job, known, seconds)
                answer = await self._ask(scope, again=True)
        await answer.send_to(send)

    async def _stream(self, scope: Scope, job: UUID, send: Send) -> None:
        answer = await self._ask(scope)
        if not answer.job:
            return await answer.send_to(send)
        known = _last_event(scope)
        if known == answer.job["revision"] and _rests(answer.job):
            return await Answer(204).send_to(send)  # which tells it not to come again
        await send(_start(200, [*_without_length(answer.headers), NOT_STORED]))
        while found := answer.job:
            if found["revision"] != known:
                await send(_chunk(answer.body))
            known = found["revision"]
            if _rests(found) or not await self._news(job, known, send):
                break
            answer = await self._ask(scope, again=True)
        await send({"type": "http.response.body", "body": b""})

    async def _news(self, job: UUID, known: int, send: Send) -> bool:
        """Whether there is any; False when the server ends first."""
        while not await self._watcher.until_changed(job, known, STILL_HERE):
            if self._watcher.is_closed:
                return False
            await send(_chunk(b": still here\n\n"))
        return True

    async def _ask(self, scope: Scope, *, again: bool = False) -> Answer:
        """Have Django answer; `again` is the same request, and counts as one."""
        answer = Answer()

        async def receive() -> Message:
            if not sent:
                sent.append(True)
                return {"type": "http.request", "body": b"", "more_body": False}
            return await asyncio.get_running_loop().create_future()

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.code, answer.headers = message["status"], message["headers"]
            else:
                answer.body += message.get("body", b"")

        sent: list[bool] = []
        async with self._asking:
            await self._app({**scope, AGAIN: again}, receive, send)
        return answer

    def _end_with_the_server(self) -> None:
        """It waits for its clients to leave before it says that it ends."""
        if not self._is_told_to_stop:
            self._is_told_to_stop = True
            loop = asyncio.get_running_loop()
            _on_stop(lambda: loop.call_soon_threadsafe(self._watcher.close))


NOT_STORED = (b"cache-control", b"no-store")


def _on_stop(tell: Callable[[], object]) -> None:
    """Be told of the signal that ends the server, which then does as it would."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGTERM, signal.SIGINT):
        before = signal.getsignal(number)

        def both(number: int, frame: Any, before: Any = before) -> None:
            tell()
            before(number, frame)

        if callable(before):
            signal.signal(number, both)


async def _whole(held: Held, scope: Scope, job: UUID, send: Send) -> None:
    """What breaks here is a problem as in a view, unless the answer has begun."""
    has_begun = False

    async def noting(message: Message) -> None:
        nonlocal has_begun
        has_begun = True
        await send(message)

    try:
        await held(scope, job, noting)
    except Exception:
        if has_begun:
            raise
        log.exception("holding an answer back failed", path=scope["path"])
        await _as_answer(problem_answer(500, BROKEN)).send_to(send)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _rests(job: dict[str, Any]) -> bool:
    return bool(job["finished_at"]) and job["status"] not in MOVES_ON


def _last_event(scope: Scope) -> int | None:
    said = dict(scope["headers"]).get(b"last-event-id", b"")
    return int(said) if said.isdigit() and len(said) < 20 else None


def _without_length(headers: Headers) -> list[tuple[bytes, bytes]]:
    return [pair for pair in headers if pair[0].lower() != b"content-length"]


def _start(status: int, headers: Headers = ()) -> Message:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def _chunk(body: bytes) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": True}


def _token(scope: Scope) -> bytes:
    """One for all ways to write the same token: its hex has no case."""
    said = dict(scope["headers"]).get(b"authorization", b"")
    return (said.lower().split() or [b""])[-1]


def _later(code: int, why: str) -> Answer:
    said = problem_answer(code, why)
    said["Retry-After"] = str(COME_AGAIN)
    return _as_answer(said)


def _as_answer(said: HttpResponse) -> Answer:
    headers = [(k.lower().encode(), v.encode()) for k, v in said.items()]
    return Answer(said.status_code, headers, said.content)
