"""What the rest of the house knows of a provider: in our own words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol


class State(StrEnum):
    """Where a response is at the provider."""

    WORKING = "working"
    COMPLETED = "completed"
    INCOMPLETE = "incomplete"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


# Its own words for ends that leave items in a conversation; of the second it does not
# say so, so nothing may lean on them being there.
ANSWERED, CUT_SHORT = "completed", "incomplete"
LEAVES_ITEMS = (ANSWERED, CUT_SHORT)


class Phase(StrEnum):
    """What we were doing when the provider let us down."""

    START = "start"
    LOOK = "look"
    CANCEL = "cancel"
    DELETE = "delete"
    PROBE = "probe"


@dataclass(frozen=True)
class Source:
    """Something a step consulted: a page, or a file; `snippet`: what it read there."""

    title: str = ""
    url: str = ""
    file: str = ""
    snippet: str = ""


@dataclass(frozen=True)
class Step:
    """One output item as evidence; `kind` is one of EvidenceTrace.Kind."""

    kind: str
    label: str = ""
    text: str = ""
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True)
class Cited:
    """A source that the span [start, end) of the answer leans on, in code points."""

    start: int
    end: int
    source: Source


@dataclass(frozen=True)
class Call:
    """A function call or approval request that waits for an answer."""

    call_id: str
    kind: str
    name: str
    arguments: str


@dataclass(frozen=True)
class Usage:
    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None


@dataclass(frozen=True)
class Snapshot:
    """What the provider says of a response at one moment."""

    response_id: str
    state: State
    said: str  # its own word for the state, for the record
    raw: str
    text: str = ""
    refusal: str = ""
    incomplete_reason: str = ""
    error_code: str = ""
    error_message: str = ""
    moderated: bool = False
    steps: tuple[Step, ...] = ()
    citations: tuple[Cited, ...] = ()
    calls: tuple[Call, ...] = ()
    usage: Usage = field(default_factory=Usage)
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Item:
    """One item of a conversation; `body`: as the provider gave it."""

    item_id: str
    kind: str
    role: str
    said_by_us: bool  # asked or answered from here, and not by the model
    body: str


@dataclass(frozen=True)
class ItemPage:
    """Some items in order, and whether there are more of them."""

    items: tuple[Item, ...]
    more: bool


@dataclass(frozen=True)
class StartRequest:
    """What a run is begun with; `metadata` is the only thread back to us.

    `input`: the prompt, or what is said in its stead when a response is continued.
    """

    model: str
    input: Any
    instructions: str
    max_output_tokens: int
    metadata: Mapping[str, str]
    output_schema: Mapping[str, Any] | None = None
    tools: tuple[Mapping[str, Any], ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    previous_response_id: str = ""
    conversation_id: str = ""  # which has what was said before: then not both
    completion_window: str = ""
    moderation: Mapping[str, Any] | None = None
    max_tool_calls: int | None = None
    safety_identifier: str = ""


class ProviderFault(Exception):
    """The provider refused, failed or stayed silent; policy/failures.py classes it."""

    def __init__(
        self,
        message: str,
        *,
        phase: Phase,
        code: str = "",
        http_status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.phase = phase
        self.code = code
        self.http_status = http_status
        self.retry_after = retry_after  # seconds

    @property
    def message(self) -> str:
        return str(self)


class Provider(Protocol):
    """Asked on the sweep's event loop; every method may raise ProviderFault."""

    async def start(self, request: StartRequest) -> Snapshot: ...

    async def look(self, response_id: str) -> Snapshot: ...

    async def cancel(self, response_id: str) -> Snapshot: ...

    async def delete(self, response_id: str) -> None: ...

    async def make_conversation(self, metadata: Mapping[str, str]) -> str: ...

    async def list_items(self, conversation_id: str, *, after: str) -> ItemPage: ...

    async def take_out(self, conversation_id: str, item_id: str) -> None: ...

    async def delete_conversation(self, conversation_id: str) -> None: ...

    async def probe(self) -> None: ...

    async def close(self) -> None: ...
