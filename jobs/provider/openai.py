"""OpenAI's background Responses through its SDK: the only importer of `openai`.

Bodies are taken raw and read by `reading.py`: building the SDK's models costs more
than the request itself. Auth, base URL and errors stay the SDK's.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import cache
from socket import gaierror
from typing import Any
from urllib.parse import quote

import httpx2
import openai
from openai.types.responses import ResponseIncludable

from jobs.kit.retry_after import seconds_asked_for
from jobs.provider.base import (
    ItemPage,
    Phase,
    ProviderFault,
    Snapshot,
    StartRequest,
)
from jobs.provider.capped import TooLarge, cap_body
from jobs.provider.conversations import read_conversation, read_items
from jobs.provider.reading import NotAResponse, read_response, storable
from jobs.provider.scrubbing import scrubbed

PATIENCE = 12.0  # seconds for one request, all in all; the SDK's are per phase
PAGE = 100  # items of a conversation; the provider gives no more at a time
INCLUDE: list[ResponseIncludable] = [
    "web_search_call.action.sources",
    "web_search_call.results",
    "file_search_call.results",
    "code_interpreter_call.outputs",
]
LONGEST_MESSAGE = 2_000  # characters
NOT_A_RESPONSE = "not_a_response"


class OpenAIProvider:
    """One client on one event loop; made on that loop, kept, and closed there."""

    def __init__(self, *, api_key: str, base_url: str) -> None:
        self._key = api_key
        self._client = openai.AsyncOpenAI(
            api_key=api_key,
            base_url=base_url,
            http_client=openai.DefaultAioHttpClient(
                timeout=PATIENCE,
                verify=_authorities(),
                follow_redirects=False,
                event_hooks={"response": [cap_body]},
            ),
            # What is packed small may be huge: see provider/capped.py.
            default_headers={"Accept-Encoding": "identity"},
            timeout=PATIENCE,
            max_retries=0,  # a create whose answer was lost may not be sent again
        )

    async def start(self, request: StartRequest) -> Snapshot:
        """Create a background response; nothing at the provider dedupes this call."""
        return await self._send(Phase.START, "POST", "/responses", _body(request))

    async def look(self, response_id: str) -> Snapshot:
        """What the provider says of it now."""
        found = await self._send(Phase.LOOK, "GET", _path(response_id))
        return _of(response_id, found, Phase.LOOK)

    async def cancel(self, response_id: str) -> Snapshot:
        """Ask it to stop; what may not be cancelled is looked at instead."""
        path = f"{_path(response_id)}/cancel"
        try:
            found = await self._send(Phase.CANCEL, "POST", path)
            return _of(response_id, found, Phase.CANCEL)
        except ProviderFault as fault:
            if fault.http_status in (400, 409):
                return await self.look(response_id)
            raise

    async def delete(self, response_id: str) -> None:
        """Have it keep no copy; one that is not there any more is a fault, a 404."""
        async with told_as_faults(Phase.DELETE, self._key):
            await self._client.delete(_path(response_id), cast_to=httpx2.Response)

    async def make_conversation(self, metadata: Mapping[str, str]) -> str:
        """Begin an empty one; its id. Nothing at the provider dedupes this call."""
        async with told_as_faults(Phase.START, self._key):
            made = await self._client.conversations.with_raw_response.create(
                metadata=dict(metadata)
            )
            return read_conversation(made.content)

    async def list_items(self, conversation_id: str, *, after: str) -> ItemPage:
        """Its items, oldest first: those after one of them, or the first ones."""
        items = self._client.conversations.items.with_raw_response
        async with told_as_faults(Phase.LOOK, self._key):
            found = await items.list(
                conversation_id,
                after=after or openai.omit,
                limit=PAGE,
                order="asc",
                include=INCLUDE,
            )
            return read_items(found.content)

    async def take_out(self, conversation_id: str, item_id: str) -> None:
        """Delete one item; one that is not there any more is a fault, a 404."""
        async with told_as_faults(Phase.DELETE, self._key):
            await self._client.conversations.items.with_raw_response.delete(
                item_id, conversation_id=conversation_id
            )

    async def delete_conversation(self, conversation_id: str) -> None:
        """Have nobody reach it any more; one that is not there is a fault, a 404."""
        async with told_as_faults(Phase.DELETE, self._key):
            await self._client.conversations.with_raw_response.delete(conversation_id)

    async def probe(self) -> None:
        """The cheapest call that tells whether key and quota are good again."""
        async with told_as_faults(Phase.PROBE, self._key):
            await self._client.get("/models", cast_to=httpx2.Response)

    async def close(self) -> None:
        await self._client.close()

    async def _send(
        self, phase: Phase, method: str, path: str, body: Any = None
    ) -> Snapshot:
        async with told_as_faults(phase, self._key):
            if method == "GET":
                answer = await self._client.get(
                    path,
                    cast_to=httpx2.Response,
                    options={"params": {"include": INCLUDE}},
                )
            else:
                answer = await self._client.post(
                    path, cast_to=httpx2.Response, body=body
                )
            found = read_response(answer.content)
        said = scrubbed(found.error_message, self._key)
        return replace(found, error_message=said)


@cache
def _authorities() -> ssl.SSLContext:
    """What the SDK trusts; reading it takes longer than all else in a client."""
    return httpx2.create_ssl_context()


def _path(response_id: str) -> str:
    """An id is somebody else's word, and no way to another address."""
    return f"/responses/{quote(response_id, safe='')}"


def _of(response_id: str, found: Snapshot, phase: Phase) -> Snapshot:
    """What was found, if it is of this response: no job gets another one's answer."""
    if found.response_id != response_id:
        said = f"the body is of {found.response_id}"
        raise ProviderFault(said, phase=phase, code=NOT_A_RESPONSE)
    return found


def _body(request: StartRequest) -> dict[str, Any]:
    body: dict[str, Any] = {
        **request.options,
        "model": request.model,
        "input": request.input,
        "background": True,
        # Without store some projects drop a background response within minutes.
        "store": True,
        "metadata": dict(request.metadata),
        "max_output_tokens": request.max_output_tokens,
        "include": INCLUDE,
    }
    optional = {
        "instructions": request.instructions or None,
        "tools": [dict(tool) for tool in request.tools] or None,
        "conversation": request.conversation_id or None,
        "previous_response_id": request.previous_response_id or None,
        "moderation": dict(request.moderation or {}) or None,
        "max_tool_calls": request.max_tool_calls,
        "safety_identifier": request.safety_identifier or None,
    }
    body |= {name: value for name, value in optional.items() if value is not None}
    if request.completion_window:
        body["background_options"] = {"completion_window": request.completion_window}
    if request.output_schema:
        body["text"] = {
            "format": {
                "type": "json_schema",
                "name": "answer",
                "schema": dict(request.output_schema),
                "strict": True,
            }
        }
    return body


@asynccontextmanager
async def told_as_faults(phase: Phase, key: str = "") -> AsyncIterator[None]:
    """Turn whatever goes wrong inside into a ProviderFault that keeps our key."""

    def fault(message: str, code: str, **more: Any) -> ProviderFault:
        said = scrubbed(message, key)[:LONGEST_MESSAGE]
        return ProviderFault(said, phase=phase, code=scrubbed(code, key), **more)

    try:
        async with asyncio.timeout(PATIENCE):
            yield
    except openai.APIStatusError as error:
        raise fault(
            _message(error),
            storable(str(error.code or error.type or "")),
            http_status=error.status_code,
            retry_after=seconds_asked_for(error.response.headers.get("retry-after")),
        ) from error
    except TooLarge as error:
        raise fault(str(error), "too_large") from error
    except NotAResponse as error:
        raise fault(str(error), NOT_A_RESPONSE) from error
    except TimeoutError as error:
        raise fault(f"no answer within {PATIENCE:g} s", "timed_out") from error
    except openai.APIConnectionError as error:
        said = f"no connection: {error.__cause__ or error}"
        raise fault(said, _code_of(error)) from error
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        raise fault(said, "no_connection") from error


def _code_of(error: openai.APIConnectionError) -> str:
    """The transport calls every broken connection a time-out: its origin tells."""
    origin: BaseException = error
    while origin.__cause__:
        origin = origin.__cause__
    if isinstance(origin, (ConnectionRefusedError, gaierror)):
        return "not_connected"  # so nothing was sent
    return "timed_out" if isinstance(origin, TimeoutError) else "no_connection"


def _message(error: openai.APIStatusError) -> str:
    """The provider's own words, without the SDK's wrapping."""
    body = error.body
    said = body.get("message") if isinstance(body, dict) else None
    return storable(str(said or error.message))
