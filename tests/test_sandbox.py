"""The sandbox provider, as the real SDK sees it over real HTTP."""

import ast
import asyncio
import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from string import Template
from typing import Any, get_args, get_type_hints

import httpx2
import jsonschema
import openai
import pytest
from django.core.management.base import CommandError
from openai.types import responses as sdk
from openai.types.responses import response_create_params, tool_param
from openai.types.shared_params import reasoning_effort

import jobs.sandbox
from jobs.management.commands.sandbox import listen
from jobs.sandbox import fields
from jobs.sandbox.app import make_app
from jobs.sandbox.hostile import hostile_text
from jobs.sandbox.scenarios import SCENARIOS, cutting_place
from jobs.sandbox.serving import Served, serve
from jobs.sandbox.words import sentences

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
TEXT, NUMBER = {"type": "string"}, {"type": "number"}


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


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


def connect(served: Served, key: str = "sk-test") -> openai.OpenAI:
    return openai.OpenAI(api_key=key, base_url=served.base_url, max_retries=0)


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
    answer = httpx2.get(str(client.base_url.join("/sandbox/ledger")))
    return answer.json()["data"]


def entry(client: openai.OpenAI, response_id: str) -> dict[str, Any]:
    return next(one for one in ledger(client) if one["id"] == response_id)


# ---- the life of a response ---------------------------------------------------------


def test_a_response_goes_from_queued_to_completed_and_shows_its_steps(
    slow_client, clock
):
    response = slow_client.responses.create(**request(RESEARCH + "[sandbox:cited]"))
    assert (response.status, response.output, response.usage) == ("queued", [], None)
    seen = []
    while response.status != "completed":
        clock.now += 0.25
        response = slow_client.responses.retrieve(response.id)
        seen.append((response.status, len(response.output)))
    statuses = [status for status, _ in seen]
    steps = [count for status, count in seen if status == "in_progress"]
    assert list(dict.fromkeys(statuses)) == ["queued", "in_progress", "completed"]
    assert 5 <= len(seen) * 0.25 <= 41
    assert list(dict.fromkeys(steps)) == [0, 1, 2, 3, 4, 5]
    assert len(response.output) == 6
    assert response.completed_at == pytest.approx(clock.now, abs=1.5)


def test_how_long_it_takes_follows_from_the_input(slow_client, clock):
    def duration(text: str) -> float:
        response = slow_client.responses.create(**request(text))
        clock.now += 100
        times = entry(slow_client, response.id)
        return times["finished_at"] - times["created_at"]

    assert duration("one") == pytest.approx(duration("one"))
    assert abs(duration("one") - duration("two")) > 0.01


def test_slow_takes_sixty_times_as_long(slow_client, clock):
    response = slow_client.responses.create(**request("Hello [sandbox:slow]"))
    clock.now += 59
    assert slow_client.responses.retrieve(response.id).status == "queued"
    clock.now += 4 * 60
    assert slow_client.responses.retrieve(response.id).status != "completed"
    clock.now += 40 * 60
    assert slow_client.responses.retrieve(response.id).status == "completed"


def test_objects_parse_as_the_classes_of_the_sdk(client):
    response = run(client, RESEARCH, tools=[{"type": "web_search"}], include=[SOURCES])
    kinds = {item.type: type(item) for item in response.output}
    assert kinds == {
        "reasoning": sdk.ResponseReasoningItem,
        "web_search_call": sdk.ResponseFunctionWebSearch,
        "message": sdk.ResponseOutputMessage,
    }
    part = response.output[-1].content[0]
    assert isinstance(part, sdk.ResponseOutputText)
    assert {type(one).__name__ for one in part.annotations} == {"AnnotationURLCitation"}
    assert isinstance(response.usage, sdk.ResponseUsage)
    assert response.usage.input_tokens + response.usage.output_tokens == (
        response.usage.total_tokens
    )
    assert isinstance(response.tools[0], sdk.WebSearchTool)
    # Every field has the type that the SDK declares, of which it does not make sure.
    raw = client.get("/responses/" + response.id, cast_to=httpx2.Response).json()
    sdk.Response.model_validate(raw, strict=False)


def test_the_async_client_is_served_as_well(provider):
    async def go() -> str:
        async with openai.AsyncOpenAI(
            api_key="sk-test", base_url=provider.base_url
        ) as client:
            response = await client.responses.create(**request(LETTER))
            while response.status != "completed":
                response = await client.responses.retrieve(response.id)
            return response.output_text

    assert "Bob Keane" in asyncio.run(go())


def test_without_background_the_answer_comes_at_once(client):
    response = client.responses.create(model="gpt-5.6-sol", input=LETTER)
    assert response.status == "completed"
    assert response.output_text
    with pytest.raises(openai.BadRequestError):
        client.responses.cancel(response.id)


def test_what_is_not_stored_is_not_found(client):
    response = client.responses.create(model="gpt-5.6-sol", input="Hi", store=False)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(response.id)


def test_evidence_has_to_be_asked_for_at_create_and_at_retrieve(client):
    asked = run(client, RESEARCH + "[sandbox:cited]", include=[SOURCES, SECRETS])
    assert asked.output[1].action.sources
    assert asked.output[0].encrypted_content
    unasked = run(client, RESEARCH + "[sandbox:cited]")
    for response in (unasked, client.responses.retrieve(asked.id)):
        assert response.output[1].action.sources is None
        assert response.output[0].encrypted_content is None


def test_what_was_asked_is_said_again(client):
    asked = {
        "metadata": {"job": "j1"},
        "instructions": "Be brief.",
        "max_output_tokens": 900,
        "safety_identifier": "u1",
        "reasoning": {"effort": "high"},
        "conversation": "conv_1",
    }
    response = client.responses.create(**request("Hello", **asked)).to_dict()
    expected = {**asked, "conversation": {"id": "conv_1"}}
    expected["reasoning"] = {"effort": "high", "summary": None}
    assert {name: response[name] for name in expected} == expected


def test_a_response_builds_on_the_one_before(client):
    first = run(client, RESEARCH + "[sandbox:cited]")
    second = run(
        client,
        "Shorter, please. [sandbox:cited]",
        previous_response_id=first.id,
    )
    assert second.previous_response_id == first.id
    assert "38 %" in second.output_text


def test_input_may_be_a_list_of_items(client):
    parts = [{"type": "input_text", "text": LETTER}]
    items = [{"role": "user", "content": parts}, {"role": "user", "content": "Now."}]
    assert "Bob Keane" in run(client, items).output_text


# ---- cancel, delete, ledger ---------------------------------------------------------


def test_cancelling_twice_is_cancelling_once(slow_client, clock):
    response = slow_client.responses.create(**request(RESEARCH + "[sandbox:cited]"))
    clock.now += 10
    first = slow_client.responses.cancel(response.id)
    clock.now += 1000
    second = slow_client.responses.cancel(response.id)
    assert first.status == second.status == "cancelled"
    assert first.to_dict() == second.to_dict()
    assert second.usage is second.completed_at is None
    assert slow_client.responses.retrieve(response.id).status == "cancelled"


def test_cancelling_a_completed_one_changes_nothing(client):
    response = run(client, LETTER)
    cancelled = client.responses.cancel(response.id)
    assert cancelled.to_dict() == client.responses.retrieve(response.id).to_dict()
    assert not entry(client, response.id)["cancelled"]


def test_a_deleted_response_is_gone(client):
    response = run(client, LETTER)
    assert client.responses.delete(response.id) is None
    for act in (
        client.responses.retrieve,
        client.responses.cancel,
        client.responses.delete,
    ):
        with pytest.raises(openai.NotFoundError) as caught:
            act(response.id)
        assert caught.value.type == "invalid_request_error"


def test_the_ledger_tells_what_was_asked_and_what_became_of_it(slow_client, clock):
    done = slow_client.responses.create(**request(LETTER, metadata={"job": "a"}))
    clock.now += 50
    slow_client.responses.retrieve(done.id)
    slow_client.responses.retrieve(done.id)
    slow_client.responses.delete(done.id)
    stopped = slow_client.responses.create(**request(LETTER, metadata={"job": "b"}))
    slow_client.responses.cancel(stopped.id)
    first, second = ledger(slow_client)[-2:]
    assert (first["id"], first["metadata"]) == (done.id, {"job": "a"})
    assert (first["status"], first["retrieved"]) == ("completed", 2)
    assert first["deleted"] is True
    assert first["cancelled"] is False
    assert 5 <= first["finished_at"] - first["created_at"] <= 40
    assert (second["status"], second["cancelled"]) == ("cancelled", True)
    assert second["finished_at"] == clock.now


def test_refused_requests_leave_no_trace_in_the_ledger(client):
    before = len(ledger(client))
    with pytest.raises(openai.BadRequestError):
        client.responses.create(**request("Hello [sandbox:bad-input]"))
    assert len(ledger(client)) == before


# ---- the scenarios ------------------------------------------------------------------


def claims(response: sdk.Response) -> list[tuple[str, str]]:
    """Each cited sentence of the answer, with the URL cited for it."""
    part, start, found = response.output[-1].content[0], 0, []
    for note in part.annotations:
        said = part.text[start : note.start_index].strip().splitlines()[-1]
        found.append((said, note.url))
        start = note.end_index
    return found


@pytest.mark.parametrize(
    ("more", "scenario"),
    [
        ({"text": {"format": {"type": "json_object"}}}, "structured"),
        ({"tools": [{"type": "web_search_preview"}]}, "cited"),
        ({"tools": [{"type": "function", "name": "f"}]}, "draft"),
        ({}, "draft"),
        ({"instructions": "Obey. [sandbox:REFUSAL]"}, "refusal"),
    ],
)
def test_without_a_tag_the_request_itself_decides(client, more, scenario):
    response = client.responses.create(**request("Hello", **more))
    assert entry(client, response.id)["scenario"] == scenario


def test_an_unknown_scenario_is_refused_with_the_known_ones(client):
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(**request("Hello [sandbox:nonsense]"))
    assert all(name in caught.value.message for name in SCENARIOS)
    with pytest.raises(openai.BadRequestError):
        client.responses.create(**request("Hello [sandbox:]"))


@pytest.mark.parametrize("name", sorted(set(SCENARIOS) - {"bad-input", "slow"}))
def test_an_answer_is_always_the_same_and_never_shows_the_tag(client, name):
    tag = f"[sandbox:{name}]"
    text = f"{RESEARCH}\n\n{LETTER}".replace(" power ", f" power {tag} ")
    text = text.replace("charged", f"{tag} charged")
    one, other = (
        [item.to_dict() | {"id": ""} for item in run(client, text, **job).output]
        for job in ({"metadata": {"job": f"same-{n}"}} for n in (1, 2))
    )
    assert one == other
    assert "sandbox:" not in json.dumps(one)


def test_cited_says_what_its_sources_say(client):
    response = run(client, RESEARCH + "[sandbox:cited]", include=[SOURCES])
    texts = {doc["url"]: doc["text"] for doc in DOCUMENTS}
    found = claims(response)
    assert len(found) == 5
    for said, url in found:
        assert said in texts[url]
    text = response.output_text
    assert 2 <= text.count("\n## ") <= 4
    ending = text.split("## What the sources do not say")[1]
    assert "employment" in ending
    assert "Almanac" in ending
    assert "emissions" not in ending


def test_citations_span_their_links_in_code_points(client):
    part = run(client, RESEARCH + "[sandbox:cited]").output[-1].content[0]
    assert "\U0001f6a2" in part.text[: part.annotations[0].start_index]
    for note in part.annotations:
        link = part.text[note.start_index : note.end_index]
        shown = re.fullmatch(r"\(\[((?:[^\[\]\\]|\\.)+)\]\(https://[^\s()]+\)\)", link)
        assert re.sub(r"\\(.)", r"\1", shown[1]) == note.title
    weekly = next(note for note in part.annotations if "weekly" in note.url)
    assert (weekly.title, weekly.url) == (
        "Harbour [Weekly]",
        "https://weekly.example/a_(1)",
    )


def test_cited_searches_with_the_question_and_reads_every_document(client):
    response = run(client, RESEARCH + "[sandbox:cited]", include=[SOURCES])
    actions = [item.action for item in response.output if "web" in item.type]
    searches = [action for action in actions if action.type == "search"]
    assert searches[0].queries == ["shore power emissions costs employment"]
    for search in searches:
        assert [one.url for one in search.sources] == [doc["url"] for doc in DOCUMENTS]
    assert response.output[0].summary[0].text


def test_no_more_tools_are_called_than_allowed(client):
    response = run(client, RESEARCH + "[sandbox:cited]", max_tool_calls=1)
    assert [item.type for item in response.output].count("web_search_call") == 1


def test_cited_without_sources_says_so_and_cites_nothing(client):
    response = run(client, "Who built the tower? [sandbox:cited]")
    assert response.output_text.startswith("No source was found")
    assert response.output[-1].content[0].annotations == []


@pytest.mark.parametrize(
    "text",
    [
        "Shore power cut the emissions of ferries by 38 % in 2024. It rained.",
        "Shore power has lowered emissions. Shore power is dear.",
        "Shore power is not cheap.",
        "Shore power lowered the emissions.",
    ],
)
def test_unsupported_contradicts_one_source_and_only_one(client, text):
    prompt = f"Question: {QUESTION}\n{json.dumps([DOCUMENTS[0] | {'text': text}])}"
    right = claims(run(client, prompt + "[sandbox:cited]"))
    wrong = claims(run(client, prompt + "[sandbox:unsupported]"))
    changed = [(a, b) for a, b in zip(right, wrong, strict=True) if a != b]
    ((said, url), (instead, same_url)) = changed[0]
    assert len(changed) == 1
    assert url == same_url
    assert said in text
    assert instead not in text
    numbers = set(re.findall(r"\d+", instead)) - set(re.findall(r"\d+", text))
    negated = ("not" in instead) != ("not" in said)
    assert numbers or negated


def test_structured_finds_what_the_input_states(client):
    schema = record(
        invoice_number=TEXT | {"pattern": "^INV-"},
        date=TEXT | {"format": "date"},
        supplier=TEXT,
        customer=record(name=TEXT, email=TEXT, phone={"type": ["string", "null"]}),
        currency={"enum": ["USD", "EUR"]},
        total=NUMBER,
        payment_days={"type": "integer"},
        damaged={"type": "boolean"},
        items={
            "type": "array",
            "items": record(
                description=TEXT, quantity={"type": "integer"}, unit_price=NUMBER
            ),
        },
    )
    expected = {
        "invoice_number": "INV-2024-0117",
        "date": "2024-05-03",
        "supplier": "ACME Supplies GmbH",
        "customer": {"name": "Bob Keane", "email": "bob@example.org", "phone": None},
        "currency": "EUR",
        "total": 1130.01,
        "payment_days": 30,
        "damaged": False,
        "items": [
            {"description": "Copper kettle", "quantity": 2, "unit_price": 45.5},
            {"description": "Filter paper", "quantity": 10, "unit_price": 1.1},
        ],
    }
    assert structured(client, INVOICE, schema) == expected
    inside_json = json.dumps({"document": INVOICE}, indent=2)
    assert structured(client, inside_json, schema) == expected


def test_structured_reads_json_and_tables(client):
    ticket = {
        "ticketId": "T-9",
        "body": "I need a refund urgently.",
        "customer": {"name": "Ann"},
        "tags": ["kettle", 7],
    }
    schema = record(
        ticket_id=TEXT,
        customer=record(name=TEXT),
        tags={"type": "array", "items": TEXT},
        urgent={"type": "boolean"},
        category={"type": "string", "enum": ["shipping", "refund", "other"]},
        people={"type": "array", "items": record(name=TEXT, age={"type": "integer"})},
    )
    table = "| Name | Age |\n| --- | --- |\n| Ann | 31 |\n| Bob | 40 |"
    assert structured(client, f"{json.dumps(ticket)}\n\n{table}\n", schema) == {
        "ticket_id": "T-9",
        "customer": {"name": "Ann"},
        "tags": ["kettle", "7"],
        "urgent": True,
        "category": "refund",
        "people": [{"name": "Ann", "age": 31}, {"name": "Bob", "age": 40}],
    }


def test_structured_answers_a_question_from_the_sources(client):
    finding = record(claim=TEXT, source_url=TEXT | {"format": "uri"})
    answer = structured(
        client,
        f"{RESEARCH}\n\nRules:\n- Be brief.\n\nTags: {json.dumps(['a', 'b'])}",
        record(
            summary=TEXT,
            findings={"type": "array", "items": finding},
            tags={"type": "array", "items": TEXT},
        ),
    )
    assert answer["summary"].startswith("Shore power cut the emissions")
    assert [one["source_url"] for one in answer["findings"]] == [
        doc["url"] for doc in DOCUMENTS
    ]
    for one, document in zip(answer["findings"], DOCUMENTS, strict=True):
        assert one["claim"].split(".")[0] in document["text"]
    assert answer["tags"] == ["a", "b"]


NODE = record(name=TEXT, next={"anyOf": [{"$ref": "#"}, {"type": "null"}]})
SCHEMAS = [
    record(code=TEXT | {"pattern": r"^[A-Z]{3}-\d{4}(x|y)?$"}),
    record(text=TEXT | {"minLength": 40, "maxLength": 45}),
    record(short=TEXT | {"maxLength": 3}, none={"type": "null"}, some=TEXT),
    record(n={"type": "integer", "minimum": 5, "multipleOf": 4}),
    record(n=NUMBER | {"exclusiveMinimum": 0, "exclusiveMaximum": 1}),
    record(days={"type": "integer", "multipleOf": 7}),
    record(n=NUMBER | {"maximum": -3}, total=NUMBER | {"multipleOf": 0.01}),
    record(c={"const": 3}, e={"enum": [1, None, "x"]}),
    record(e={"type": ["string", "null"], "enum": ["a", None]}),
    record(a={"type": "array", "items": TEXT | {"format": "email"}, "minItems": 2}),
    record(a={"type": "array", "items": {"type": "array", "items": NUMBER}}),
    record(items={"type": "array", "items": NUMBER, "maxItems": 1}),
    record(a={"type": "array", "items": {"anyOf": [TEXT, NUMBER]}}),
    record(x={"anyOf": [record(a=TEXT), record(b=NUMBER)]}),
    NODE,
    record(tree={"$ref": "#/$defs/t"})
    | {"$defs": {"t": record(kids={"type": "array", "items": {"$ref": "#/$defs/t"}})}},
    record(
        *["total"],
        total=NUMBER,
        colour=TEXT,
        when=TEXT | {"format": "date-time"},
        uid=TEXT | {"format": "uuid"},
    ),
    {"type": "object"},
]
PROMPTS = ["?", INVOICE, RESEARCH, json.dumps({"items": [1, {"a": []}], "n": "many"})]


@pytest.mark.parametrize("text", PROMPTS)
def test_structured_obeys_every_schema(client, text):
    for schema in SCHEMAS:
        answer = structured(client, text, schema)
        jsonschema.validate(answer, schema, jsonschema.Draft202012Validator)


def test_draft_takes_up_what_the_customer_wrote(client):
    text = run(client, LETTER).output_text
    assert text.startswith("Dear Bob Keane,")
    assert "order **A-10442**" in text
    assert "> My order A-10442 arrived broken." in text
    assert "> I was charged twice!" in text
    assert "> Could you refund one payment?" in text
    assert "weather" not in text


def test_draft_reads_a_ticket_in_json_and_quotes_the_policy(client):
    body = "The lamp of invoice 7/18 is broken. The sun shines on the sea."
    ticket = {"customer_name": "Ann Lee", "body": body}
    policy = {
        "title": "Returns",
        "url": "https://x.example/",
        "text": "A broken lamp is replaced.",
    }
    text = run(client, f"Reply.\n{json.dumps([ticket, policy], indent=2)}").output_text
    assert text.startswith("Dear Ann Lee,")
    assert "invoice **7/18**" in text
    assert "shines" not in text
    assert "is broken.\n\nA broken lamp is replaced.\n\n" in text


def test_a_refusal_is_completed_and_has_no_text(client):
    response = run(client, "Hello [sandbox:refusal]")
    part = response.output[-1].content[0]
    assert response.status == "completed"
    assert isinstance(part, sdk.ResponseOutputRefusal)
    assert part.refusal
    assert response.output_text == ""


def test_flaky_fails_at_the_first_run_of_each_job_only(client):
    def go(job: str) -> sdk.Response:
        return run(client, "Hello [sandbox:flaky]", metadata={"job": job})

    first = go("flaky-1")
    assert (first.status, first.error.code) == ("failed", "server_error")
    assert first.completed_at is first.usage is None
    assert go("flaky-1").status == "completed"
    assert go("flaky-2").status == "failed"


def test_partial_is_cut_in_mid_sentence(client):
    whole = run(client, RESEARCH + "[sandbox:cited]").output_text
    response = run(
        client, RESEARCH + "[sandbox:partial]", tools=[{"type": "web_search"}]
    )
    part = response.output[-1].content[0]
    assert response.status == response.output[-1].status == "incomplete"
    assert response.incomplete_details.reason == "max_output_tokens"
    assert whole.startswith(part.text)
    assert part.text[-1].isalpha()
    assert all(note.end_index <= len(part.text) for note in part.annotations)
    assert response.usage.output_tokens
    assert response.completed_at is None


def test_partial_cuts_even_a_word():
    assert cutting_place("{}", []) == 1


def test_hostile_is_all_it_should_be(client):
    response = run(client, "Hello [sandbox:hostile]")
    text = response.output_text
    assert text == hostile_text()
    assert 190_000 <= len(text.encode()) <= 220_000
    for harm in ("<script>", "](javascript:", "![", "\u202e", "\u200b", "\u2066"):
        assert harm in text
    urls = [note.url for note in response.output[-1].content[0].annotations]
    assert urls[0].startswith("javascript:")


# ---- what the demo's inputs are answered --------------------------------------------

DEMO = Path(jobs.sandbox.__path__[0]).parents[1] / "bgreview" / "demo"


def scene(key: str) -> dict[str, Any]:
    (path,) = (DEMO / "inputs").glob(f"{key}-*.json")
    return json.loads(path.read_text())


def answer(client: openai.OpenAI, key: str, **changed: str) -> sdk.Response:
    """What a scene of the demo is answered, at once and at the first try."""
    given = scene(key)["input"] | changed
    said = json.loads((DEMO / f"job_types/{scene(key)['type']}.json").read_text())
    put = {
        name: value
        if isinstance(value, str)
        else json.dumps(value, indent=2, ensure_ascii=False)
        for name, value in given.items()
    }
    text = Template(said["prompt_template"]).safe_substitute(put)
    more = {"tools": said["tools"], "instructions": said["instructions"]}
    if said["output_schema"]:
        form = {"type": "json_schema", "name": "answer", "strict": True}
        more["text"] = {"format": form | {"schema": said["output_schema"]}}
    return run(client, re.sub(r"\[sandbox:(?:flaky|slow)\]", "", text), **more)


UNKNOWN = (
    "To this we have no answer yet; a colleague finds out within two working days."
)
UNKNOWN_TOO = "This, too, we still have to find out."
REPLIES = {
    "02": {
        "The box was not damaged, not a dent,": "Please send us one photograph, unless "
        "there is one, within fourteen days of arrival. We send the broken part again "
        "at our cost.",
        "Can I have just the jar and keep the grinder?": UNKNOWN,
        "Do you need the broken jar back?": "Parts under £40 need not be sent back.",
        "And does the jar of the 2019 model fit?": UNKNOWN_TOO,
    },
    "11": {
        "So either it is on somebody else's": "Delivery takes three to five working "
        "days, seven to the Highlands and Islands.",
        "What I want: the £118.40 back": "A parcel that has not come ten working "
        "days after it left us counts as lost: you then choose between a second parcel "
        "free of charge and the money back.",
        "I also want to know who signed.": UNKNOWN,
    },
    "14": {
        "Since about Tuesday the switch will not stay down.": "The guarantee is five "
        "years from the day of purchase on mechanical parts: hinges, switches, burrs, "
        "valves.",
        "Could you tell me whether the switch is still covered,": "We send a prepaid "
        "box for repairs.",
        "Could I buy a new seal from you,": "Wearing parts can be bought by letter; a "
        "colleague names the price.",
        "And is it all right to go on with the spoon": UNKNOWN,
    },
}


@pytest.mark.parametrize("key", REPLIES)
def test_a_draft_answers_the_letter_in_the_words_of_the_policy(client, key):
    given, text = scene(key)["input"], answer(client, key).output_text
    points = re.findall(r"^> (.+)\n\n(.+)$", text, re.MULTILINE)
    for (quote, reply), (start, expected) in zip(
        points, REPLIES[key].items(), strict=True
    ):
        assert quote.startswith(start)
        assert quote in " ".join(given["message"].split())
        assert reply == expected
    assert text.startswith(f"Dear {given['customer_name']},")
    assert f"order **{given['order_number']}**" in text
    assert text.endswith("Kind regards,\n\nThe service desk, Ostler & Finch")
    assert "!" not in text


LAMP, RETURNS = "The lamp is broken. What now?", "A broken lamp is replaced by us."
LAYOUTS = [
    "The letter\n---\n{0}\n---\n\nOur reply policy\n---\n{1}\n---\n",
    "Reply.\n\nLetter\n---\n{0}\n\nAnn\n---\nSent by train\n---\n\nPolicy\n---\n{1}",
    "## Policy\n\n{1}\n\n## Customer letter\n\n{0}",
    "Customer message:\n{0}\n\nRules:\n{1}",
    "Letter: {0}\n\n## Guidelines\n\n- {1}",
    "Letter: {0}\n\nReply policy: {1}",
    '{{"message": "{0}", "policy": "{1}"}}',
]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_letter_and_policy_are_told_apart_however_they_are_set_off(client, layout):
    text = run(client, layout.format(LAMP, RETURNS)).output_text
    assert (
        re.findall(r"^> (.+)$", text, re.MULTILINE)
        == LAMP.replace(". ", ".\n").splitlines()
    )
    assert f"> The lamp is broken.\n\n{RETURNS}\n\n" in text


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("Lamps: ask for a photograph.", "Please send us a photograph."),
        ("Ask the customer to leave the lamp off.", "Please leave the lamp off."),
        ("The customer then has a lamp.", "You then have a lamp."),
        ("The customer pays for a lamp; say so.", "You pay for a lamp."),
        ("Say that lamps are sent today.", "Lamps are sent today."),
        ("Never say that a lamp is late.", ""),
        ("Promise no lamp.", ""),
        ("A lamp may be offered once.", ""),
        ("Plain words about lamps.", ""),
    ],
)
def test_a_policy_is_turned_to_the_customer_or_kept_to_ourselves(client, rule, said):
    text = run(client, f"Letter: May I have a lamp?\n\nPolicy: {rule}").output_text
    reply = re.search(r"^> May I have a lamp\?\n\n(.+)$", text, re.MULTILINE)[1]
    assert reply == (said or "To this we have no answer yet.")


REFUNDS = {
    "04": {
        "order_id": "OF-26-10502",
        "customer": "Hannah Osei",
        "amount": 58.0,
        "currency": "GBP",
        "paid_on": "2026-11-03",
        "reason": "charged twice",
        "within_policy": True,
        "policy_rule": "R5",
        "goods_back": False,
        "open_question": None,
    },
    # All of it instead of one lamp: for the reviewer to see.
    "13": {
        "order_id": "OF-26-10291",
        "amount": 155.95,
        "reason": "broken",
        "within_policy": True,
        "policy_rule": "R2",
        "goods_back": True,
        "open_question": None,
    },
    "08": {"reason": "changed mind", "policy_rule": "R1", "goods_back": True},
}


@pytest.mark.parametrize("key", REFUNDS)
def test_a_refund_rests_on_the_rule_that_fits_the_letter(client, key):
    given = scene(key)["input"]
    found = json.loads(answer(client, key).output_text)
    assert {name: found[name] for name in REFUNDS[key]} == REFUNDS[key]
    story, rule, ruling = re.fullmatch(
        r"“(.+)” Rule (R\d): “(.+)”", found["explanation"]
    ).groups()
    assert f"{rule}. {ruling}" in given["policy"]
    assert rule == found["policy_rule"]
    told = re.split(r"(?<=\.) (?=[A-Z])", story)
    assert 2 <= len(told) <= 3
    assert all(line in " ".join(given["message"].split()) for line in told)


def test_without_a_rule_that_fits_none_is_named_and_nothing_is_covered(client):
    policy = "R1. Umbrellas are exchanged.\nR2. Gloves are not."
    found = json.loads(answer(client, "04", policy=policy).output_text)
    assert found["policy_rule"] is None
    assert found["within_policy"] is False


CLAUSES = "§ 1. Rent is due on Monday.\n§ 2. Pets must be announced.\n§ 3. No noise."
LEASE = f"Clauses\n\n{CLAUSES}\n\nLetter: We got a dog and other pets last week."
LINE = "The clause is about a dog."
LABELS = [
    # description, text, found
    ("The clause, such as §7.", LEASE.replace("§ ", "§"), "§2"),
    (
        "The clause, such as K7.",
        LEASE.replace("Clauses\n", "Rules:").replace("§ ", "- K"),
        "K2",
    ),
    ("The clause, e.g. K7.", LEASE.replace("§ ", "K"), "K2"),
    ("The clause, such as K7.", "A clause is missing: K12 or so.", "K12"),
    ("The clause, such as K7.", "Clause: K 12", "K 12"),
    ("Such as K7.", "Rules:\nK1. Be on time.\n\nLetter: My clause is K9.", None),
    ("Such as K7; null if none fits.", "We got a dog. It is late.", None),
    ("The animal, such as a dog.", "Hm.\n\nThe clause is about a dog.", LINE),
]


@pytest.mark.parametrize(("described", "text", "found"), LABELS)
def test_an_example_in_the_description_tells_the_form(client, described, text, found):
    clause = {"type": ["string", "null"], "description": described}
    said = structured(client, text, record(clause=clause))["clause"]
    assert said == found


STATED = [
    # name, part of the schema, text, found
    ("made_on", {"description": "YYYY-MM-DD."}, "Made: v2 (3 May 2024)", "2024-05-03"),
    ("made_on", {"description": "When."}, "Made: v2 (3 May 2024)", "v2 (3 May 2024)"),
    ("source_id", {"description": "Word for word."}, "Source id: 7 a b", "7 a b"),
    ("source_id", {"description": "The id."}, "Source id: A7 a b", "A7"),
    ("mood", {"enum": ["glad", "not stated"]}, "Hello.", "not stated"),
    ("mood", {"enum": ["glad", "OTHER"]}, "Hello.", "OTHER"),
    ("mood", {"enum": ["glad", "other"]}, "Policy: Be glad.", "other"),
]


@pytest.mark.parametrize(("name", "part", "text", "found"), STATED)
def test_the_description_tells_what_of_a_value_is_wanted(
    client, name, part, text, found
):
    schema = record(**{name: TEXT | part})
    assert structured(client, text, schema) == {name: found}


BUG, KEPT = "Whether the bug is in the library.", "Whether the rule was kept."


@pytest.mark.parametrize(
    ("described", "text", "found"),
    [
        (BUG, "The bug is in the library of ours. The tool is not to blame.", True),
        (BUG, "The bug is not in the library. It is in a tool.", False),
        (BUG, "The bug breaks things. Nobody has a library card.", True),
        (BUG, "Nothing is said here.", False),
        (KEPT, "The rule was kept by all.", True),
        (KEPT, "Rules: Be kind to ferries.\n\nLetter: The rule was kept.", False),
    ],
)
def test_a_yes_or_no_goes_by_the_sentences_nearest_to_it(
    client, described, text, found
):
    ours = {"type": "boolean", "description": described}
    assert structured(client, text, record(ours=ours)) == {"ours": found}


def test_each_row_has_the_rule_that_fits_its_own_choice(client):
    rows = json.dumps([{"what": "lamp"}, {"what": "kettle"}])
    what = {"type": "string", "enum": ["lamp", "kettle"]}
    rule = {"type": "string", "description": "Such as R7."}
    many = {"type": "array", "items": record(what=what, rule=rule)}
    text = f"{rows}\n\nRules:\nR1. A lamp is sent.\nR2. A kettle is sent."
    assert structured(client, text, record(things=many))["things"] == [
        {"what": "lamp", "rule": "R1"},
        {"what": "kettle", "rule": "R2"},
    ]


def test_what_may_be_null_is_null_without_a_good_find(client):
    maybe = {"type": ["string", "null"], "description": "Whatever the order lacks."}
    schema = record(comment=maybe, refund_note=maybe, comment_of_ours=TEXT)
    found = structured(client, LETTER + "\nThe refund note was lost.", schema)
    assert found["comment"] is None
    assert found["refund_note"] == "The refund note was lost."
    assert found["comment_of_ours"]


RECORDS = {
    "03": {
        "cve_number": "CVE-2020-13434",
        "fix": "3.32.1 (2020-05-25)",
        "fixed_on": "2020-05-25",
        "in_library": True,
        "needs": "malicious SQL",
        "impact": "denial-of-service",
        "comments": "Malicious SQL statement involving the printf() SQL function "
        "results in an integer overflow which can overwrite the stack with over 2 "
        "billion bytes of 0x30 or 0x20 (ASCII '0' or ' '). Even though this is a stack "
        "overwrite, there is no known way to redirect control or otherwise escalate "
        "the level of harm. This is a denial-of-service attack only.",
        "sqlite_source_id": "2020-05-25 16:19:56 "
        "0c1fcf4711a2e66c813aed38cf41cd3e2123ee8eb6db98118086764c4ba83350",
        "sha3_256": "f695ae21abf045e4ee77980a67ab2c6e03275009e593ee860a2eabf840482372",
        "remarks": None,
    },
    "12": {
        "cve_number": "CVE-2022-35737",
        "fixed_on": "2022-07-21",
        "in_library": True,
        "needs": "C-language API",
        "impact": "not stated",
        "sqlite_source_id": "2022-07-21 15:24:47 "
        "698edb77537b67c41adc68f9b892db56bcf9a55e00371a61420f3ddd668e6603",
    },
}


@pytest.mark.parametrize("key", RECORDS)
def test_a_record_says_what_its_document_says(client, key):
    found = json.loads(answer(client, key).output_text)
    assert {name: found[name] for name in RECORDS[key]} == RECORDS[key]


CLOSING = "What the sources do not say"
HEADINGS = {
    "01": (
        "Is WAL mode enough for that?",
        "How should the workers begin their transactions?",
        "What would be a reason to move to a client/server database?",
    ),
    "05": (
        "Was the copy to blame?",
        "Should we use the backup API or VACUUM INTO instead?",
    ),
    "09": (
        "How large may one database file grow?",
        "From which size on would separate files be read faster?",
    ),
    "10": (
        "Should we store UTC, or local time with the name of a timezone?",
        "What must happen to booked appointments when the rules change at short "
        "notice?",
    ),
}


@pytest.mark.parametrize("key", HEADINGS)
def test_a_brief_has_headings_claims_and_sources_that_read_well(client, key):
    response, sources = answer(client, key), scene(key)["input"]["sources"]
    text = response.output_text
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings == [*HEADINGS[key], CLOSING]
    titles = {source["url"]: source["title"] for source in sources}
    for said, url in claims(response):
        assert re.search(r"[.!]['\"”)]?$", said), said
        assert "[" not in said
        assert f"([{titles[url]}]({url}))" in text


@pytest.mark.parametrize("key", HEADINGS)
def test_a_brief_closes_with_what_was_read_in_vain(client, key):
    response, sources = answer(client, key), scene(key)["input"]["sources"]
    cited = {url for _, url in claims(response)}
    unread = [source["title"] for source in sources if source["url"] not in cited]
    closing = response.output_text.split(CLOSING)[1].strip()
    if unread:
        assert closing.endswith(f"Read, but not cited: {'; '.join(unread)}.")
    unsaid = "No source takes up “appointments”." if key == "10" else ""
    assert closing.startswith(unsaid or ("Read, but" if unread else "Each statement"))
    assert unsaid or "No source" not in closing


def without_asides(text: str) -> str:
    return re.sub(r" \([^()]*\)", "", text).lower()


def test_a_brief_is_wrong_where_a_careful_reader_finds_it(client):
    """Every sentence is a source's but one, whose number is in none of them."""
    text = (response := answer(client, "09")).output_text
    said = [claim for claim, _ in claims(response)]
    texts = " ".join(source["text"] for source in scene("09")["input"]["sources"])
    whole = without_asides(" ".join(texts.split()))
    (wrong,) = [one for one in said[1:] if without_asides(one) not in whole]
    assert any(number not in texts for number in re.findall(r"\d+", wrong))
    assert wrong in text.split("## From which size on would separate files")[1]


LISTED = (
    "Ferries use shore power. [...]\n\nPower for ferries comes in three ways: [...]\n\n"
    "- by a very long cable\n\nDo ferries need the power of the shore? Ferries that "
    "[...] have power are quiet. On the other hand, power is dear for ferries. [...] "
    "Ferries (and their power) are old."
)
SHORE = {"title": "Shore", "url": "https://shore.example/", "text": LISTED}
FERRIES = [
    "Ferries use shore power.",
    "Power is dear for ferries.",
    "Ferries that [...] have power are quiet.",
]


def test_only_whole_statements_become_claims(client):
    prompt = f"Question: How do ferries get power?\n{json.dumps([SHORE])}"
    found = [said for said, _ in claims(run(client, prompt + "[sandbox:cited]"))]
    assert sorted(found) == sorted(FERRIES)


@pytest.mark.parametrize("mark", ["Question\n", "## Question\n\n", "Question: ", ""])
def test_the_question_is_found_however_it_is_set_off(client, mark):
    text = f"{mark}Weigh ferries.\n\nFor whom\nWho knows ferries?[sandbox:cited]"
    thought = run(client, text).output[0].summary[0].text
    asked = "Weigh ferries." if mark else "For whom Who knows ferries?"
    assert thought.endswith(f"The question is: {asked}")


def test_sentences_end_where_a_reader_ends_them():
    said = ["Fast I/O.", "By A. B. Smith.", "See No. 5.", "(It is so.)", "“So?”", "Yes"]
    assert sentences(" ".join(said)) == said


@pytest.mark.parametrize(
    ("documents", "headings"),
    [
        (
            [DOCUMENTS[0] | {"title": "Port report (2024)"}, *DOCUMENTS[1:]],
            ["Harbour \\[Weekly\\]", "Port report"],
        ),
        (DOCUMENTS[:1], ["Findings"]),
        ([DOCUMENTS[1] | {"text": "Shore power is not cheap."}], []),
    ],
)
def test_one_question_alone_is_answered_source_by_source(client, documents, headings):
    prompt = f"Question: {QUESTION}\n{json.dumps(documents)}[sandbox:cited]"
    text = run(client, prompt).output_text
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == [*headings, CLOSING]


# ---- what is refused ----------------------------------------------------------------


def schema(strict: bool = True, name: str = "x", **more: Any) -> dict[str, Any]:
    form = {"type": "json_schema", "name": name, "strict": strict}
    return {"text": {"format": {**form, "schema": record(a=TEXT) | more}}}


def deep(levels: int) -> dict[str, Any]:
    return record(a=deep(levels - 1)) if levels else TEXT


LONG_WINDOW = {"completion_window": "8h"}
BAD_SCHEMA = ("invalid_json_schema", "text.format.schema")
REFUSALS = [
    ({"temprature": 1}, "unknown_parameter", "temprature"),
    ({"reasoning": {"max_tokens": 1}}, "unknown_parameter", "reasoning.max_tokens"),
    ({"model": None}, "invalid_type", "model"),
    ({"model": ""}, "missing_required_parameter", "model"),
    ({"model": "claude"}, "model_not_found", "model"),
    ({"input": ""}, "missing_required_parameter", "input"),
    ({"input": 7}, "invalid_type", "input"),
    ({"input": [{"role": "boss", "content": ""}]}, "invalid_value", "input[0].role"),
    ({"input": [{"role": "user"}]}, "missing_required_parameter", "input[0].content"),
    ({"input": [{"type": "nope"}]}, "invalid_value", "input[0].type"),
    ({"input": ["x"]}, "invalid_type", "input[0]"),
    ({"store": False}, "invalid_value", "store"),
    ({"store": None}, "invalid_value", "store"),
    (
        {"metadata": {str(n): "" for n in range(17)}},
        "object_above_max_properties", "metadata",
    ),
    ({"metadata": {"k" * 65: ""}}, "string_above_max_length", "metadata"),
    ({"metadata": {"k": "v" * 513}}, "string_above_max_length", "metadata.k"),
    ({"metadata": {"k": 1}}, "invalid_type", "metadata.k"),
    ({"metadata": []}, "invalid_type", "metadata"),
    ({"background": "yes"}, "invalid_type", "background"),
    ({"max_output_tokens": True}, "invalid_type", "max_output_tokens"),
    ({"max_output_tokens": 15}, "number_below_min_value", "max_output_tokens"),
    ({"temperature": 2.1}, "number_above_max_value", "temperature"),
    ({"safety_identifier": "x" * 129}, "string_above_max_length", "safety_identifier"),
    ({"truncation": "maybe"}, "invalid_value", "truncation"),
    ({"reasoning": {"effort": "huge"}}, "invalid_value", "reasoning.effort"),
    (
        {"background": False, "background_options": LONG_WINDOW},
        "invalid_value", "background_options",
    ),
    (
        {"conversation": "conv_1", "previous_response_id": "r"},
        "mutually_exclusive_parameters", "previous_response_id",
    ),
    (
        {"previous_response_id": "resp_0"},
        "previous_response_not_found", "previous_response_id",
    ),
    ({"stream": True}, "unsupported_parameter", "stream"),
    ({"prompt": {"id": "p"}}, "unsupported_parameter", "prompt"),
    ({"include": ["everything"]}, "invalid_value", "include[0]"),
    ({"tools": [{"type": "telepathy"}]}, "invalid_value", "tools[0].type"),
    ({"tools": [{}]}, "invalid_type", "tools[0].type"),
    (
        {"tools": [{"type": "mcp"}]},
        "missing_required_parameter", "tools[0].server_label",
    ),
    ({"text": {"format": {"type": "yaml"}}}, "invalid_value", "text.format.type"),
    (
        {"text": {"format": {"type": "json_schema"}}},
        "missing_required_parameter", "text.format.name",
    ),
    (schema(name="n" * 65), "string_above_max_length", "text.format.name"),
    (schema(name="not this"), "invalid_value", "text.format.name"),
    (schema(name="line\n"), "invalid_value", "text.format.name"),
    (schema(additionalProperties=True), *BAD_SCHEMA),
    (schema(required=[]), *BAD_SCHEMA),
    (schema(properties={"a": {"type": "object"}}), *BAD_SCHEMA),
    (
        schema(properties={"a": {"type": "array", "items": {"type": "object"}}}),
        *BAD_SCHEMA,
    ),
    (schema(properties={"a": {"anyOf": [{"type": "object"}]}}), *BAD_SCHEMA),
    (schema(**{"$defs": {"a": {"type": "object"}}}), *BAD_SCHEMA),
    (schema(allOf=[]), *BAD_SCHEMA),
    (schema(type="string"), *BAD_SCHEMA),
    (schema(**deep(11)), *BAD_SCHEMA),
    (schema(False, properties=[]), *BAD_SCHEMA),
    (schema(False, properties={"a": {"enum": []}}), *BAD_SCHEMA),
    (schema(False, properties={"a": 5}), *BAD_SCHEMA),
    (schema(False, properties={"a": {"description": 5}}), *BAD_SCHEMA),
    ({"input": "[sandbox:bad-input]"}, "invalid_prompt", None),
]  # fmt: skip


@pytest.mark.parametrize(("change", "code", "param"), REFUSALS)
def test_it_refuses_what_the_real_one_refuses(client, change, code, param):
    with pytest.raises(openai.BadRequestError) as caught:
        post(client, request("Hello") | change)
    error = caught.value
    assert (error.code, error.param, error.type) == (
        code,
        param,
        "invalid_request_error",
    )
    assert error.message
    assert set(error.body) == {"message", "type", "param", "code"}


@pytest.mark.parametrize("name", ["model", "input", "store"])
def test_it_refuses_what_lacks_the_essentials(client, name):
    body = request("Hello")
    del body[name]
    with pytest.raises(openai.BadRequestError) as caught:
        post(client, body)
    assert caught.value.param == name


@pytest.mark.parametrize(
    "change",
    [
        {"metadata": {"k" * 64: "v" * 512} | {str(n): "" for n in range(15)}},
        schema(name="n" * 64),
        schema(**deep(10)),
        schema(strict=False, additionalProperties=True, required=[]),
        {"tools": [{"type": "mcp", "server_label": "x", "server_url": "https://x"}]},
        {"background_options": LONG_WINDOW, "temperature": None, "top_p": 1},
        {"model": "sandbox-1"},
        {"model": "o4-mini"},
    ],
)
def test_it_takes_what_lies_just_within_the_limits(client, change):
    assert post(client, request("Hello") | change)["status"] == "queued"


def test_what_it_knows_is_what_the_sdk_knows():
    params = response_create_params.ResponseCreateParamsNonStreaming
    assert set(fields.FIELDS) == set(params.__annotations__) | set(
        response_create_params.ResponseCreateParamsBase.__annotations__
    )
    assert set(fields.INCLUDES) == set(get_args(sdk.ResponseIncludable))
    effort = get_args(get_args(reasoning_effort.ReasoningEffort)[0])
    assert set(fields.CHOICES["reasoning.effort"]) == set(effort)
    tools = [
        tool
        for tool in get_args(tool_param.ToolParam)
        if hasattr(tool, "__annotations__")
    ]
    names = {name for tool in tools for name in get_args(get_type_hints(tool)["type"])}
    assert set(fields.TOOL_NEEDS) == names


@pytest.mark.parametrize("content", [b"{", b"\xff", b'{"input": NaN}', b"[1]", b""])
def test_a_body_that_is_no_json_object_is_refused(provider, content):
    answer = httpx2.post(
        f"{provider.base_url}/responses",
        content=content,
        headers={"authorization": "Bearer sk-test"},
    )
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


def test_a_body_of_ten_megabytes_is_the_largest(client):
    with pytest.raises(openai.APIStatusError) as caught:
        post(client, request("x" * 10 * 1024 * 1024))
    assert caught.value.status_code == 413
    assert post(client, request("x" * (10 * 1024 * 1024 - 1000)))["id"]


@pytest.mark.parametrize("include", ["nonsense", "web_search_call"])
def test_retrieving_what_cannot_be_included_is_refused(client, include):
    response = run(client, "Hello")
    with pytest.raises(openai.BadRequestError):
        client.responses.retrieve(response.id, include=[include])
    with pytest.raises(openai.BadRequestError):
        client.responses.retrieve(response.id, extra_query={"limit": 1})


def test_what_never_was_is_not_found(client, provider):
    for act in (client.responses.retrieve, client.responses.cancel):
        with pytest.raises(openai.NotFoundError) as caught:
            act("resp_never")
        assert "resp_never" in caught.value.message
    with pytest.raises(openai.NotFoundError) as caught:
        client.get("/assistants", cast_to=object)
    assert caught.value.type == "invalid_request_error"


def test_a_wrong_key_is_refused_everywhere(provider):
    with connect(provider, "sk-wrong-1") as client:
        for call in (client.models.list, lambda: client.responses.retrieve("x")):
            with pytest.raises(openai.AuthenticationError) as caught:
                call()
            assert caught.value.code == "invalid_api_key"
    bare = httpx2.get(f"{provider.base_url}/models")
    assert bare.status_code == 401
    assert set(bare.json()["error"]) == {"message", "type", "param", "code"}


def test_a_key_without_credit_may_look_but_not_start(provider):
    with connect(provider, "sk-quota-1") as client:
        assert client.models.list().data[0].id
        with pytest.raises(openai.RateLimitError) as caught:
            client.responses.create(**request("Hello"))
    assert (caught.value.code, caught.value.type) == ("insufficient_quota",) * 2


# ---- serving ------------------------------------------------------------------------


def test_serving_ends_with_its_block():
    before = threading.active_count()
    with serve(make_app()) as served:
        assert httpx2.get(f"{served.url}/healthz").json() == {"status": "ok"}
        assert served.url.startswith("http://127.0.0.1:")
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(f"{served.url}/healthz")
    assert threading.active_count() == before


def test_the_command_says_when_its_port_is_taken(provider):
    port = int(provider.url.rsplit(":", 1)[1])
    with pytest.raises(CommandError, match=f"Port {port} on 127.0.0.1 is taken"):
        listen("127.0.0.1", port)


# As manage.py would, but without the settings, which the sandbox does not need.
RUN_COMMAND = """
from jobs.management.commands.sandbox import Command
Command().run_from_argv({})
"""


@pytest.mark.processes
def test_the_command_serves_on_a_free_port_and_says_which():
    options = ["manage.py", "sandbox", "--port", "0", "--scale", "0.01"]
    command = [sys.executable, "-c", RUN_COMMAND.format(options)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        line = process.stdout.readline()
        url = re.search(r"http://127\.0\.0\.1:[1-9]\d*/v1", line)[0]
        with openai.OpenAI(api_key="sk-test", base_url=url) as client:
            assert client.models.list().data
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        assert process.stdout.read() == ""


def test_the_sandbox_knows_nothing_of_the_rest():
    for path in Path(jobs.sandbox.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in getattr(node, "names", ())]
            if isinstance(node, ast.ImportFrom):
                assert node.level < 2
                names = [] if node.level else [node.module]
            if isinstance(node, ast.Import | ast.ImportFrom):
                for name in names:
                    assert name.split(".")[0] not in ("django", "jobs", "openai"), path
