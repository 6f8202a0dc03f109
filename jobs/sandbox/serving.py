"""Running an ASGI application on a port of this machine."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

PATIENCE = 10.0
GRACE = 1
RESET = "sandbox.reset"  # the extension by which an application resets its connection
AT_ONCE = struct.pack("ii", 1, 0)  # what SO_LINGER takes; close() then sends a reset


@dataclass(frozen=True)
class Served:
    """Where a running application is found."""

    url: str

    @property
    def base_url(self) -> str:
        """What the SDK takes as its `base_url`."""
        return f"{self.url}/v1"


@contextmanager
def serve(app: Any, host: str = "127.0.0.1", port: int = 0) -> Iterator[Served]:
    """Serve the application from a thread for as long as the block lasts."""
    with bind(host, port) as listening:
        server = make_server(app)
        run = threading.Thread(target=server.run, args=([listening],), daemon=True)
        run.start()
        try:
            wait_until_started(server, run)
            yield Served(url_of(listening))
        finally:
            server.should_exit = True
            run.join(PATIENCE)


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 is any free one. OSError if the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Only where the protocol is named does asyncio set TCP_NODELAY; without it each
    # answer waits 40 ms.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(2048)
    except BaseException:
        listening.close()
        raise
    return listening


def url_of(listening: socket.socket) -> str:
    """The address of a socket, for a browser."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def make_server(app: Any) -> uvicorn.Server:
    """A server that logs only what is wrong and stops without dawdling."""
    config = uvicorn.Config(
        app,
        http=Resettable,
        log_config=None,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=GRACE,
    )
    return uvicorn.Server(config)


class Resettable(H11Protocol):
    """HTTP whose application may reset the connection."""

    def connection_made(  # type: ignore[override]
        self, transport: asyncio.Transport
    ) -> None:
        super().connection_made(transport)
        self.app = resettable(self.app, transport)


def resettable(app: ASGIApp, transport: asyncio.Transport) -> ASGIApp:
    async def with_reset(scope: Scope, receive: Receive, send: Send) -> None:
        scope["extensions"] = {RESET: partial(reset, transport)}
        await app(scope, receive, send)

    return with_reset


def reset(transport: asyncio.Transport) -> None:
    """Drop the connection as one that broke is dropped, not closed in order."""
    connection = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
    transport.abort()


def wait_until_started(server: uvicorn.Server, run: threading.Thread) -> None:
    deadline = time.monotonic() + PATIENCE
    while not server.started:
        if not run.is_alive() or time.monotonic() > deadline:
            raise RuntimeError("The server did not start.")
        time.sleep(0.001)
