"""Keeps a large body out of the house: Django reads all of it before any view.

What is beyond the limit is not read: the view sees one byte too many, and refuses.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

Scope = dict[str, Any]
Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


def limit_body(app: App, *, path: str, most: int) -> App:
    """The same application, reading no more than this from whoever posts there."""

    async def limited(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == path:
            receive, send = _limited(receive, send, most)
        await app(scope, receive, send)

    return limited


def _limited(receive: Receive, send: Send, most: int) -> tuple[Receive, Send]:
    left = most + 1

    async def receive_part() -> Message:
        nonlocal left
        message = await receive()
        if message["type"] == "http.request":
            body = message.get("body", b"")[:left]
            left -= len(body)
            more = bool(message.get("more_body")) and left > 0
            return {**message, "body": body, "more_body": more}
        return message

    async def send_part(message: Message) -> None:
        if message["type"] == "http.response.start" and not left:
            # What was not read still stands in the line: nobody may follow it.
            headers = [*message["headers"], (b"connection", b"close")]
            message = {**message, "headers": headers}
        await send(message)

    return receive_part, send_part
