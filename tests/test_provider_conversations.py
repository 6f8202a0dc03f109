"""Conversations: what the provider is asked, and what is taken from it."""

import json
import re
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug import Request, Response

from jobs.policy.failures import FailureClass, class_of_fault
from jobs.provider.base import ProviderFault
from jobs.provider.conversations import (
    ids_of_output,
    read_conversation,
    read_items,
    text_of_item,
)
from jobs.provider.reading import NotAResponse
from tests.test_provider import asked

ITEMS = "/v1/conversations/conv_1/items"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def page(*items: Any, **said: Any) -> bytes:
    return json.dumps({"data": list(items), "has_more": False} | said).encode()


# ---- what it is asked ------------------------------------------------------------


def test_one_is_made_with_our_names_in_it(httpserver):
    httpserver.expect_request("/v1/conversations").respond_with_json({"id": "conv_1"})
    made = asked(httpserver, lambda provider: provider.make_conversation({"a": "b"}))
    assert made == "conv_1"
    assert httpserver.log[0][0].json == {"metadata": {"a": "b"}}


def test_items_are_asked_for_oldest_first_a_full_page_at_a_time(httpserver):
    httpserver.expect_request(ITEMS).respond_with_data(
        page({"id": "msg_1", "type": "message", "role": "user"}, has_more=True)
    )

    found = asked(
        httpserver, lambda provider: provider.list_items("conv_1", after="x/y")
    )
    assert [item.item_id for item in found.items] == ["msg_1"]
    assert found.more
    query = httpserver.log[0][0].args
    assert (query["after"], query["limit"], query["order"]) == ("x/y", "100", "asc")


def test_an_id_is_no_way_to_another_address(httpserver):
    paths = []

    def note(request: Request) -> Response:
        paths.append(request.environ["RAW_URI"])
        return Response("{}", content_type="application/json")

    anywhere = re.compile(r"/v1/.*")
    httpserver.expect_request(anywhere).respond_with_handler(note)
    asked(httpserver, lambda p: p.take_out("conv_1", "../../responses/resp_1"))
    asked(httpserver, lambda p: p.delete_conversation("../responses/resp_1"))
    assert paths == [
        "/v1/conversations/conv_1/items/..%2F..%2Fresponses%2Fresp_1",
        "/v1/conversations/..%2Fresponses%2Fresp_1",
    ]


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b"{}", b'{"id": 1}'])
def test_a_create_whose_answer_says_nothing_is_lost(httpserver, body):
    httpserver.expect_request("/v1/conversations").respond_with_data(
        body, content_type="application/json"
    )
    with pytest.raises(ProviderFault) as fault:
        asked(httpserver, lambda provider: provider.make_conversation({}))
    assert class_of_fault(fault.value) is FailureClass.LOST


# ---- what is taken from it -------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "by_us"),
    [
        ({"type": "message", "role": "user"}, True),
        ({"type": "message", "role": "developer"}, True),
        ({"type": "message", "role": "assistant"}, False),
        ({"type": "function_call_output"}, True),
        ({"type": "mcp_approval_response"}, True),
        ({"type": "function_call"}, False),
        ({"type": "hologram"}, False),
        ({"type": 1, "role": []}, False),
    ],
)
def test_what_we_said_is_told_from_what_the_model_said(said, by_us):
    (item,) = read_items(page({"id": "i"} | said)).items
    assert item.said_by_us is by_us


@pytest.mark.parametrize(
    "body",
    [
        b"nothing",
        b"[]",
        b"{}",
        page(1),
        page({"id": ""}),
        page({"id": "x" * 201}),
        json.dumps({"data": {"id": "i"}}).encode(),
    ],
)
def test_a_page_that_leaves_an_item_without_a_name_is_none(body):
    with pytest.raises(NotAResponse):
        read_items(body)


def test_what_cannot_be_stored_is_replaced():
    (item,) = read_items(b'{"data": [{"id": "a\\u0000", "x": "\\ud800"}]}').items
    assert "\0" not in item.item_id + item.body
    item.body.encode()


@given(JSON)
def test_no_body_is_a_fault_of_ours(said: Any):
    body = json.dumps(said).encode()
    for read in (read_conversation, read_items):
        with suppress(NotAResponse):
            read(body)
    ids_of_output(body.decode())
    text_of_item(body.decode())


def test_ids_of_output_are_those_of_all_its_items():
    raw = {"output": [{"id": "rs_1"}, {"id": 2}, "x", {"id": "msg_1"}, {}]}
    assert ids_of_output(json.dumps(raw)) == ["rs_1", "msg_1"]
    assert ids_of_output("<html>") == []


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ({"content": "Hello."}, "Hello."),
        ({"content": [{"text": "One."}, {"refusal": "No."}, {"x": 1}]}, "One.\n\nNo."),
        ({"summary": [{"text": "Hm."}]}, "Hm."),
        ({"output": "42"}, "42"),
        ({"type": "function_call", "arguments": "{}"}, "{}"),
        ({"content": 7}, ""),
        ([], ""),
    ],
)
def test_what_an_item_says_is_read_for_people(said, text):
    assert text_of_item(json.dumps(said)) == text
