"""A connection whose every read and write ends at one moment.

A time-out per read lets a receiver that sends a byte a second hold us for ever.
"""

import ssl
import time
from typing import Any

import httpcore2


class TimedStream(httpcore2.NetworkStream):
    """Another stream, until `until` on the monotonic clock; then it times out."""

    def __init__(self, stream: httpcore2.NetworkStream, until: float) -> None:
        self._stream, self._until = stream, until

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._left())

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> "TimedStream":
        inner = self._stream.start_tls(ssl_context, server_hostname, self._left())
        return TimedStream(inner, self._until)

    def close(self) -> None:
        self._stream.close()

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

    def _left(self) -> float:
        left = self._until - time.monotonic()
        if left <= 0:
            raise httpcore2.ReadTimeout("the time for this try is over")
        return left
