"""No body of the provider may be larger than we can hold, 200 of them at a time."""

from collections.abc import AsyncIterator

import httpx2

LARGEST = 16 * 2**20  # bytes; 128,000 tokens with their evidence are about 2 MB


class TooLarge(Exception):
    """The body is larger than we take, or packed although we asked for it plain."""


class Capped(httpx2.AsyncByteStream):
    """Another stream, until it has given too much."""

    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._stream:
            size += len(chunk)
            if size > LARGEST:
                raise TooLarge(f"The answer is larger than {LARGEST // 2**20} MB.")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


async def cap_body(response: httpx2.Response) -> None:
    """A response hook: called when the headers are there and the body is not yet."""
    packing = response.headers.get("content-encoding", "identity")
    if packing != "identity":
        raise TooLarge(f"The answer is packed ({packing}), which we did not ask for.")
    assert isinstance(response.stream, httpx2.AsyncByteStream)
    response.stream = Capped(response.stream)
