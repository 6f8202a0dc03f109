"""Conversations in the sandbox, as the real SDK sees them."""

from typing import Any

import openai
import pytest
from openai.types.conversations import Conversation, Message

from tests import sandbox
from tests.sandbox import SLOW, ask, entry, request, run

provider, client = sandbox.provider, sandbox.client  # fixtures
clock, slow_client = sandbox.clock, sandbox.slow_client
FUNCTION = {"type": "function", "name": "look_up", "parameters": None, "strict": False}


def said(text: str) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": text}


def kinds(client: openai.OpenAI, conversation: str) -> list[str]:
    return [item.type for item in client.conversations.items.list(conversation)][::-1]


def logged(client: openai.OpenAI, conversation: str) -> dict[str, Any]:
    found = ask(client, "get", "ledger")["conversations"]
    return next(one for one in found if one["id"] == conversation)


def refused(call: Any, **more: Any) -> tuple[int, str | None, str | None]:
    with pytest.raises(openai.APIStatusError) as refusal:
        call(**more)
    return refusal.value.status_code, refusal.value.param, refusal.value.code


def test_a_conversation_is_made_shown_changed_and_deleted(client):
    made = client.conversations.create(metadata={"a": "b"}, items=[said("Hi.")])
    assert isinstance(made, Conversation)
    assert client.conversations.retrieve(made.id).metadata == {"a": "b"}
    changed = client.conversations.update(made.id, metadata={"c": "d"})
    assert changed.metadata == {"c": "d"}
    assert client.conversations.delete(made.id).deleted
    assert refused(client.conversations.retrieve, conversation_id=made.id)[0] == 404
    log = logged(client, made.id)
    assert log["deleted_at"]
    assert len(log["items"]) == 1, "the items survive"


def test_its_limits_are_those_of_the_provider(client):
    create = client.conversations.create
    many = [said("Hi.")] * 21
    assert refused(create, items=many) == (400, "items", "array_above_max_length")
    wide = {str(n): "" for n in range(17)}
    assert refused(create, metadata=wide)[1] == "metadata"
    long = {"a": "b" * 513}
    assert refused(create, metadata=long)[1] == "metadata.a"
    unknown = {"extra_body": {"name": "x"}}
    assert refused(create, **unknown) == (400, "name", "unknown_parameter")
    assert refused(create, items=[{"type": "message", "role": "king", "content": ""}])
    one = create()
    add = client.conversations.items.create
    assert refused(add, conversation_id=one.id, items=many)[1] == "items"
    assert refused(add, conversation_id=one.id, items=[])[1] == "items"


def test_items_are_listed_in_pages_either_way(client):
    one = client.conversations.create(items=[said(str(n)) for n in range(20)])
    client.conversations.items.create(one.id, items=[said("20"), said("21")])
    items = client.conversations.items

    def texts(**how: Any) -> list[str]:
        return [item.content[0].text for item in items.list(one.id, **how).data]

    assert texts() == [str(n) for n in range(21, 1, -1)]
    assert texts(limit=2, order="asc") == ["0", "1"]
    first = items.list(one.id, limit=2, order="asc")
    assert (first.has_more, first.last_id) == (True, first.data[1].id)
    assert texts(after=first.last_id, limit=1, order="asc") == ["2"]
    assert len(list(items.list(one.id, limit=3))) == 22
    assert refused(items.list, conversation_id=one.id, limit=101)[1] == "limit"
    assert refused(items.list, conversation_id=one.id, order="up")[1] == "order"
    assert refused(items.list, conversation_id=one.id, after="x")[0] == 404
    extra = {"extra_query": {"offset": 1}}
    assert refused(items.list, conversation_id=one.id, **extra)[1] == "offset"


def test_an_item_is_shown_and_taken_out(client):
    one = client.conversations.create(items=[said("Hi."), said("Ho.")])
    first = client.conversations.items.list(one.id, order="asc").data[0]
    shown = client.conversations.items.retrieve(first.id, conversation_id=one.id)
    assert isinstance(shown, Message)
    client.conversations.items.delete(first.id, conversation_id=one.id)
    gone = {"item_id": first.id, "conversation_id": one.id}
    assert refused(client.conversations.items.delete, **gone)[0] == 404
    assert logged(client, one.id)["removed"] == [first.id]


def test_input_and_output_are_added_when_a_response_is_completed(slow_client, clock):
    one = slow_client.conversations.create()
    response = slow_client.responses.create(**request("Hello.", conversation=one.id))
    assert response.conversation.id == one.id
    assert kinds(slow_client, one.id) == []
    clock.now += 100
    assert kinds(slow_client, one.id) == ["message", "reasoning", "message"]
    assert entry(slow_client, response.id)["conversation"] == one.id


def test_one_that_is_busy_is_locked(slow_client, clock):
    one = slow_client.conversations.create()
    body = request(SLOW, conversation={"id": one.id})
    first = slow_client.responses.create(**body)
    locked = (400, "conversation", "conversation_locked")
    assert refused(slow_client.responses.create, **body) == locked
    slow_client.responses.cancel(first.id)
    second = slow_client.responses.create(**body)
    assert second.id != first.id
    assert kinds(slow_client, one.id) == [], "what is cancelled leaves nothing"
    assert logged(slow_client, one.id)["refused"] == 1


def test_what_was_cancelled_in_vain_leaves_its_items_all_the_same(slow_client, clock):
    one = slow_client.conversations.create()
    body = request("Hello.", conversation=one.id)
    response = slow_client.responses.create(**body)
    sandbox.order(slow_client, "late-completion", count=1)
    assert slow_client.responses.cancel(response.id).status == "cancelled"
    assert kinds(slow_client, one.id) == []
    clock.now += 100
    assert kinds(slow_client, one.id) == ["message", "reasoning", "message"]


def test_a_response_may_not_continue_both_ways_nor_where_there_is_nothing(client):
    both = request("Hi.", conversation="conv_1", previous_response_id="resp_1")
    assert refused(client.responses.create, **both)[1] == "previous_response_id"
    assert (
        refused(client.responses.create, **request("Hi.", conversation="x"))[0] == 404
    )
    made = client.conversations.create()
    client.conversations.delete(made.id)
    gone = request("Hi.", conversation=made.id)
    assert refused(client.responses.create, **gone)[0] == 404


def test_an_open_call_must_be_answered_before_anything_else_is_said(client):
    one = client.conversations.create()
    asks = "Look it up. [sandbox:function-call]"
    first = run(client, asks, tools=[FUNCTION], conversation=one.id)
    call = first.output[-1]
    assert refused(client.responses.create, **request("Hi.", conversation=one.id)) == (
        400,
        "input",
        None,
    )
    told = {"type": "function_call_output", "call_id": call.call_id, "output": "42"}
    run(client, [told], tools=[FUNCTION], conversation=one.id)
    added = ["function_call", "function_call_output", "reasoning", "message"]
    assert kinds(client, one.id)[-4:] == added
    assert run(client, "Hi.", conversation=one.id).status == "completed"


def test_the_model_knows_what_was_asked_before(client):
    one = client.conversations.create()
    run(client, sandbox.LETTER, conversation=one.id)
    again = run(client, "Shorter, please.", conversation=one.id)
    assert "Bob Keane" in again.output_text
