"""What the sandbox answers, scenario by scenario."""

import json
import re
from typing import Any

import jsonschema
import openai
import pytest
from openai.types import responses as sdk

from jobs.sandbox.endings import cutting_place
from jobs.sandbox.hostile import hostile_text
from jobs.sandbox.scenarios import SCENARIOS
from tests import sandbox
from tests.sandbox import (
    DOCUMENTS,
    INVOICE,
    LETTER,
    NUMBER,
    QUESTION,
    RESEARCH,
    SOURCES,
    TEXT,
    claims,
    entry,
    record,
    request,
    run,
    structured,
)

provider, client = sandbox.provider, sandbox.client  # fixtures


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
    word = {"error": "=server_error", "incomplete": "=steered", "status": "=paused"}
    tag = f"[sandbox:{name}{word.get(name, '')}]"
    text = f"{RESEARCH}\n\n{LETTER}".replace(" power ", f" power {tag} ")
    text = text.replace("charged", f"{tag} charged")
    one, other = (
        [without_ids(item.to_dict()) for item in run(client, text, **job).output]
        for job in ({"metadata": {"job": f"same-{n}"}} for n in (1, 2))
    )
    assert one == other
    assert "sandbox:" not in json.dumps(one)


def without_ids(item: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if not name.endswith("id")}


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
