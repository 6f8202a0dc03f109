"""The sandbox for its tests: a server, clients of it, requests and what they say."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import openai
import pytest
from openai.types import responses as sdk
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from jobs.sandbox.app import make_app
from jobs.sandbox.serving import Served, serve

PATIENCE = 10  # seconds for what must come
SOURCES = "web_search_call.action.sources"
SECRETS = "reasoning.encrypted_content"
DOCUMENTS = [
    {
        "title": "Port report 2024",
        "url": "https://port.example/report",
        "text": "Shore power cut the emissions of ferries \U0001f6a2 by 38 % in 2024. "
        "The programme cost €42 million. Dr. Jansen called shore power a milestone.",
    },
    {
        "title": "Harbour [Weekly]",
        "url": "https://weekly.example/a_(1)",
        "text": "Traffic rose. Costs of shore power are not covered by ship owners. "
        "Emissions from cruise ships are measured since 2019, say 60 firms.",
    },
    {
        "title": "Almanac",
        "url": "https://rain.example/",
        "text": "It rained for weeks.",
    },
]
QUESTION = "How did shore power affect emissions, costs and employment?"
RESEARCH = f"Question: {QUESTION}\n\nSources:\n{json.dumps(DOCUMENTS, indent=2)}"
LETTER = """Write a courteous reply.

Customer message:
Hello,

My order A-10442 arrived broken. I was charged twice! The weather is fine here.
Could you refund one payment?

Best regards,
Bob Keane
"""
INVOICE = """ACME Supplies GmbH
Invoice No: INV-2024-0117
Date: 3 May 2024
Bill to: Bob Keane
Email: bob@example.org

Items:
- 2 x Copper kettle, 45.50 EUR
- 10 x Filter paper, 1.10 EUR

Total: 1,130.01 EUR
The parcel was not damaged. Please pay within 30 days.
"""
# Takes as long as a text can, and sixty times as long as that.
SLOW = "Hello 246 [sandbox:slow]"
TEXT, NUMBER = {"type": "string"}, {"type": "number"}


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


class Inbox:
    """A receiver of webhooks, and what it got; it answers as told, else with 200."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.got: list[Received] = []
        self.answers: list[int] = []
        self.news = threading.Condition()

    async def take(self, received: Request) -> Response:
        body = await received.body()
        with self.news:
            self.got.append(Received(dict(received.headers), body))
            status = self.answers.pop(0) if self.answers else 200
            self.news.notify_all()
        return Response(status_code=status, headers={"location": "/elsewhere"})

    def wait(self, enough: Callable[[list["Received"]], bool]) -> list["Received"]:
        with self.news:
            assert self.news.wait_for(lambda: enough(self.got), PATIENCE), self.got
            return list(self.got)

    def wait_for(self, count: int) -> list["Received"]:
        """The first of these to come, and no more than them so far."""
        got = self.wait(lambda got: len(got) >= count)
        assert len(got) == count
        return got


@dataclass(frozen=True)
class Received:
    """One request, read and verified by the SDK where asked."""

    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def about(self) -> str:
        return json.loads(self.body)["data"]["id"]

    def unwrap(self, secret: str) -> Any:
        with unverified(api_key="-", webhook_secret=secret) as reader:
            return reader.webhooks.unwrap(self.body, self.headers)

    def is_signed_with(self, secret: str) -> bool:
        try:
            return bool(self.unwrap(secret))
        except openai.InvalidWebhookSignatureError:
            return False


class Inboxes:
    """A server of inboxes, each at a URL of its own."""

    def __init__(self, url: str, boxes: list[Inbox]) -> None:
        self.url, self.boxes = url, boxes

    def new(self) -> Inbox:
        box = Inbox(f"{self.url}/{len(self.boxes)}")
        self.boxes.append(box)
        return box


@pytest.fixture(scope="module")
def inboxes() -> Iterator[Inboxes]:
    boxes: list[Inbox] = []

    async def take(request: Request) -> Response:
        return await boxes[request.path_params["box"]].take(request)

    with serve(Starlette(routes=[Route("/{box:int}", take, methods=["POST"])])) as up:
        yield Inboxes(up.url, boxes)


@pytest.fixture(scope="module")
def provider() -> Iterator[Served]:
    with serve(make_app(scale=0.0001)) as served:
        yield served


@pytest.fixture(scope="module")
def client(provider: Served) -> Iterator[openai.OpenAI]:
    with connect(provider) as client:
        yield client


@pytest.fixture(scope="module")
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def slow_client(clock: Clock) -> Iterator[openai.OpenAI]:
    """A client of a provider whose time stands still until it is moved."""
    with serve(make_app(clock=clock)) as served, connect(served) as client:
        yield client


def until(done: Callable[[], object]) -> None:
    """Wait for what must come true."""
    deadline = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < deadline, "it did not come true"


def ask(client: openai.OpenAI, verb: str, what: str, **more: Any) -> Any:
    """Something of the sandbox that the real API has not."""
    url = str(client.base_url.join(f"/sandbox/{what}"))
    return getattr(client, verb)(url, cast_to=object, **more)


def order(client: openai.OpenAI, fault: str, **more: Any) -> None:
    """Have the sandbox play a fault."""
    ask(client, "post", "faults", body={"fault": fault, **more})


@pytest.fixture
def fault(client: openai.OpenAI) -> Iterator[Callable[..., None]]:
    """Orders faults, until the test ends."""
    yield partial(order, client)
    ask(client, "delete", "faults")


def connect(served: Served, key: str = "sk-test") -> openai.OpenAI:
    return unverified(api_key=key, base_url=served.base_url, max_retries=0)


def unverified(**known: Any) -> openai.OpenAI:
    """For plain http: reading whom to trust takes longer than all else in a client."""
    http = openai.DefaultHttpxClient(verify=False)
    return openai.OpenAI(http_client=http, **known)


def request(text: Any, /, **more: Any) -> dict[str, Any]:
    body = {"model": "gpt-5.6-sol", "input": text, "background": True, "store": True}
    return body | more


def run(client: openai.OpenAI, text: Any, /, **more: Any) -> sdk.Response:
    """Create a response and ask for it until it has ended."""
    return finish(client, client.responses.create(**request(text, **more)))


def finish(client: openai.OpenAI, response: sdk.Response) -> sdk.Response:
    while response.status in ("queued", "in_progress"):
        response = client.responses.retrieve(response.id, include=[SOURCES, SECRETS])
    return response


def structured(client: openai.OpenAI, text: str, schema: dict[str, Any]) -> Any:
    form = {"type": "json_schema", "name": "answer", "schema": schema}
    return json.loads(run(client, text, text={"format": form}).output_text)


def record(*needed: str, **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(needed or properties),
        "additionalProperties": False,
    }


def post(client: openai.OpenAI, body: Any) -> dict[str, Any]:
    answer = client.post("/responses", body=body, cast_to=object)
    assert isinstance(answer, dict)
    return answer


def ledger(client: openai.OpenAI) -> list[dict[str, Any]]:
    return ask(client, "get", "ledger")["data"]


def entry(client: openai.OpenAI, response_id: str) -> dict[str, Any]:
    return next(one for one in ledger(client) if one["id"] == response_id)


def claims(response: sdk.Response) -> list[tuple[str, str]]:
    """Each cited sentence of the answer, with the URL cited for it."""
    part, start, found = response.output[-1].content[0], 0, []
    for note in part.annotations:
        said = part.text[start : note.start_index].strip().splitlines()[-1]
        found.append((said, note.url))
        start = note.end_index
    return found
