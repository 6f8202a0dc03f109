"""The life of a response in the sandbox, as the real SDK sees it."""

import asyncio

import httpx2
import openai
import pytest
from openai.types import responses as sdk

from tests import sandbox
from tests.sandbox import (
    LETTER,
    RESEARCH,
    SECRETS,
    SOURCES,
    entry,
    ledger,
    request,
    run,
)

provider, client = sandbox.provider, sandbox.client  # fixtures
clock, slow_client = sandbox.clock, sandbox.slow_client


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
        "conversation": client.conversations.create().id,
    }
    response = client.responses.create(**request("Hello", **asked)).to_dict()
    expected = {**asked, "conversation": {"id": asked["conversation"]}}
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


def test_the_ledger_tells_the_key_that_a_create_came_with(client):
    keyed = {"extra_headers": {"Idempotency-Key": "start-1"}}
    ids = [client.responses.create(**request("Hello"), **keyed).id for _ in range(2)]
    # Nothing says that the real API heeds the key: two creates are two responses.
    assert [entry(client, one)["request_key"] for one in ids] == ["start-1"] * 2
    assert entry(client, run(client, "Hello").id)["request_key"] is None


def test_refused_requests_leave_no_trace_in_the_ledger(client):
    before = len(ledger(client))
    with pytest.raises(openai.BadRequestError):
        client.responses.create(**request("Hello [sandbox:bad-input]"))
    assert len(ledger(client)) == before
