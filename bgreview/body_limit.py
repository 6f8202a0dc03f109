"""Keeps a large body out of the house: Django reads all of it before any view.

What is beyond the limit is not read: the view sees one byte too many, and refuses.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

Scope = dict[str, Any]
Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


def limit_body(app: App, limits: Mapping[str, int]) -> App:
    """The same application, reading no more than this of what is sent below there."""

    async def limited(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"] if scope["type"] == "http" else ""
        for prefix, most in limits.items():
            if path.startswith(prefix):
                body = LimitedBody(most, _announced(scope), receive, send)
                receive, send = body.receive, body.send
        await app(scope, receive, send)

    return limited


class LimitedBody:
    """The body of one request; one that is announced too large is not begun."""

    def __init__(self, most: int, announced: int, receive: Receive, send: Send) -> None:
        self._left = 0 if announced > most else most + 1
        self._is_over = False
        self._receive, self._send = receive, send

    async def receive(self) -> Message:
        if self._is_over and not self._left:
            # The rest is still in the line: until we have answered, nobody reads it.
            await asyncio.get_running_loop().create_future()
        if not self._left:
            self._is_over = True
            return {"type": "http.request", "body": b"", "more_body": False}
        message = await self._receive()
        if message["type"] != "http.request":
            return message
        body = message.get("body", b"")[: self._left]
        self._left -= len(body)
        self._is_over = not (message.get("more_body") and self._left)
        return {**message, "body": body, "more_body": not self._is_over}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and not self._left:
            headers = [*message["headers"], (b"connection", b"close")]
            message = {**message, "headers": headers}
        await self._send(message)


def _announced(scope: Scope) -> int:
    found = dict(scope["headers"]).get(b"content-length", b"")
    return int(found) if found.isdigit() and len(found) < 20 else 0
