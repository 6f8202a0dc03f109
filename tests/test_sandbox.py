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
        assert re.fullmatch(r"\(\[[^\[\]]+\]\(https://[^\s()]+\)\)", link)
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
    assert "*Returns* says: “A broken lamp is replaced.”" in text


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
