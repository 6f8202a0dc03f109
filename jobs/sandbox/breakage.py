"""Answers that are none, or not as HTTP or JSON would have them."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterator
from functools import cache

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from .serving import RESET

BOMB = 200 * 2**20  # bytes, of which a thousandth goes over the wire
HUGE = 40 * 2**20
CHUNK = 2**16
HTML = (
    b"<html><head><title>502 Bad Gateway</title></head><body><center>"
    b"<h1>502 Bad Gateway</h1></center><hr><center>cloud</center></body></html>\n"
)


class Reset(Response):
    """The connection is reset instead."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["extensions"][RESET]()
        await hung_up(receive)


class Silence(Response):
    """Nothing comes, until the other side hangs up."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await hung_up(receive)


class BrokenOff(Response):
    """Half of an answer, and then the connection is reset."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await begin(self, send)
        half = bytes(self.body[: len(self.body) // 2])
        await send({"type": "http.response.body", "body": half, "more_body": True})
        scope["extensions"][RESET]()
        await hung_up(receive)


class Drip(Response):
    """A whole answer, byte by byte."""

    pause = 1.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await begin(self, send)
        for place in range(len(self.body)):
            byte = bytes(self.body[place : place + 1])
            await send({"type": "http.response.body", "body": byte, "more_body": True})
            if await hung_up(receive, within=self.pause):
                return
        await send({"type": "http.response.body"})


async def begin(response: Response, send: Send) -> None:
    headers, status = response.raw_headers, response.status_code
    start = {"type": "http.response.start", "status": status, "headers": headers}
    await send(start)


async def hung_up(receive: Receive, *, within: float | None = None) -> bool:
    """Wait for the other side to hang up; whether it did in time."""
    try:
        async with asyncio.timeout(within):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return False
    return True


def html(status: int) -> Response:
    """A page, as something between us and the API shows it."""
    return Response(HTML, status, media_type="text/html")


def huge(response: Response) -> Response:
    """The same JSON, with a field of many megabytes more."""

    def chunks() -> Iterator[bytes]:
        yield bytes(response.body[:-1]) + b',"padding":"'
        for _ in range(HUGE // CHUNK):
            yield b"x" * CHUNK
        yield b'"}'

    return StreamingResponse(chunks(), media_type="application/json")


async def bomb() -> Response:
    """A little gzip that becomes a lot of JSON."""
    gzipped = await asyncio.to_thread(gzip_bomb, BOMB)
    headers = {"content-encoding": "gzip"}
    return Response(gzipped, headers=headers, media_type="application/json")


@cache
def gzip_bomb(size: int) -> bytes:
    gzip = zlib.compressobj(wbits=31)
    spaces = b" " * CHUNK
    parts = [gzip.compress(b'{"padding":"')]
    parts += [gzip.compress(spaces) for _ in range(size // CHUNK)]
    return b"".join([*parts, gzip.compress(b'"}'), gzip.flush()])
