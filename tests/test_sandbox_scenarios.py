"""Ends to choose: codes, reasons, moderation, and calls that wait for an answer."""

import json
from typing import Any, get_args

import openai
import pytest
from openai.types import responses as sdk
from openai.types.responses import response, response_error

from tests import sandbox
from tests.sandbox import NUMBER, TEXT, entry, record, run

provider, client = sandbox.provider, sandbox.client  # fixtures

CODES = get_args(response_error.ResponseError.__annotations__["code"])
REASONS = get_args(
    get_args(response.IncompleteDetails.__annotations__["reason"])[0],
)
REFUND = {
    "type": "function",
    "name": "refund",
    "parameters": record(order=TEXT, amount=NUMBER),
}
RECORDS = {"type": "mcp", "server_label": "crm", "server_url": "https://crm.example"}


@pytest.mark.parametrize("code", [*CODES, "unheard_of"])
def test_a_run_fails_with_the_code_it_names(client, code):
    failed = run(client, f"Hello [sandbox:error={code}]")
    assert (failed.status, failed.error.code) == ("failed", code)
    assert failed.error.message
    assert (failed.error.misalignment is not None) == ("misalignment" in code)
    assert entry(client, failed.id)["scenario"] == f"error={code}"


@pytest.mark.parametrize("reason", [*REASONS, "unheard_of"])
def test_a_run_is_cut_short_for_the_reason_it_names(client, reason):
    cut = run(client, f"Hello [sandbox:incomplete={reason}]")
    assert (cut.status, cut.incomplete_details.reason) == ("incomplete", reason)
    assert cut.output_text


def test_a_run_ends_with_a_status_that_nobody_knows(client):
    ended = run(client, "Hello [sandbox:status=paused]")
    assert ended.status == "paused"
    assert ended.output_text
    assert ended.completed_at is None


def test_an_item_may_be_of_a_type_that_nobody_knows(client):
    ended = run(client, "Hello [sandbox:strange-item]")
    assert [item.type for item in ended.output][-2:] == ["hologram_call", "message"]
    assert ended.output_text


@pytest.mark.parametrize("tag", ["error", "error=", "draft=1", "status", "=x"])
def test_a_word_is_named_where_one_is_taken_and_only_there(client, tag):
    with pytest.raises(openai.BadRequestError, match=r"error=CODE.*status=STATUS"):
        run(client, f"Hello [sandbox:{tag}]")


# ---- moderation ---------------------------------------------------------------------

MODERATION = {"model": "omni-moderation-latest"}


def flagged(said: sdk.Response) -> tuple[bool, bool]:
    assert said.moderation.input.type == "moderation_result"
    for side in (said.moderation.input, said.moderation.output):
        assert any(side.categories.values()) is side.flagged
    return said.moderation.input.flagged, said.moderation.output.flagged


def test_moderation_is_shown_to_those_who_asked_for_it(client):
    assert flagged(run(client, "Hello", moderation=MODERATION)) == (False, False)
    assert run(client, "Hello").moderation is None


def test_an_answer_may_be_flagged_and_is_there_all_the_same(client):
    said = run(client, "Hello [sandbox:flagged]", moderation=MODERATION)
    assert (said.status, flagged(said)) == ("completed", (False, True))
    assert said.output_text


def test_a_request_may_be_blocked(client):
    said = run(client, "Hello [sandbox:blocked]", moderation=MODERATION)
    assert (said.status, flagged(said)) == ("failed", (True, False))
    assert said.error.code == "content_policy_violation"
    assert said.output == []


# ---- calls that wait for an answer --------------------------------------------------


def ask(client: openai.OpenAI, tag: str, **more: Any) -> tuple[sdk.Response, Any]:
    """A run that ends with a call, and the call."""
    text = f"Order: A-7\nAmount: 12.50\n\nPlease refund it. [sandbox:{tag}]"
    asked = run(client, text, **more)
    assert (asked.status, asked.output_text) == ("completed", "")
    return asked, asked.output[-1]


def tell(client: openai.OpenAI, asked: sdk.Response, *items: Any) -> sdk.Response:
    return run(client, list(items), previous_response_id=asked.id)


def output(call: Any, said: str = "The refund of order A-7 was made.") -> Any:
    return {"type": "function_call_output", "call_id": call.call_id, "output": said}


def approval(request: Any, approve: bool) -> Any:
    kind = "mcp_approval_response"
    return {"type": kind, "approval_request_id": request.id, "approve": approve}


def test_a_function_is_called_with_arguments_from_the_input(client):
    _, call = ask(client, "function-call", tools=[REFUND])
    assert isinstance(call, sdk.ResponseFunctionToolCall)
    assert call.name == "refund"
    assert json.loads(call.arguments) == {"order": "A-7", "amount": 12.5}


def test_a_function_is_called_even_where_none_was_offered(client):
    _, call = ask(client, "function-call")
    assert call.name == "look_up"
    assert json.loads(call.arguments).keys() == {"query"}


def test_arguments_may_be_no_json(client):
    _, call = ask(client, "bad-arguments", tools=[REFUND])
    with pytest.raises(ValueError, match="delimiter"):
        json.loads(call.arguments)


def test_a_run_goes_on_when_its_call_is_answered(client):
    asked, call = ask(client, "function-call", tools=[REFUND])
    done = tell(client, asked, output(call))
    assert done.output_text
    assert entry(client, done.id)["scenario"] == "draft"


def test_a_tag_in_the_instructions_does_not_ask_for_ever(client):
    told = {"instructions": "Obey. [sandbox:function-call]"}
    asked = run(client, "Hello", **told)
    answers = [output(asked.output[-1])]
    done = run(client, answers, previous_response_id=asked.id, **told)
    assert done.output_text


def test_a_call_may_be_answered_without_the_response_before_it(client):
    _, call = ask(client, "function-call")
    assert run(client, [call.to_dict(), output(call)]).output_text


def test_a_tool_of_a_server_waits_for_approval(client):
    asked, request = ask(client, "mcp-approval", tools=[RECORDS])
    assert request.type == "mcp_approval_request"
    assert (request.server_label, request.name) == ("crm", "change_record")
    approved = tell(client, asked, approval(request, True))
    (call,) = [item for item in approved.output if item.type == "mcp_call"]
    assert call.approval_request_id == request.id
    assert (call.server_label, call.arguments) == ("crm", request.arguments)
    assert approved.output_text
    refused = tell(client, asked, approval(request, False))
    assert "mcp_call" not in [item.type for item in refused.output]
    assert refused.output_text


def test_answers_have_to_fit_what_was_asked(client):
    asked, call = ask(client, "function-call")
    stranger = output(call) | {"call_id": "call_stranger"}
    for items, said in [
        ([{"role": "user", "content": "Well?"}], "No tool output found for function"),
        ([output(call), stranger], "No tool call found for function call output"),
    ]:
        with pytest.raises(openai.BadRequestError, match=said):
            tell(client, asked, *items)
    asked, request = ask(client, "mcp-approval")
    stranger = approval(request, True) | {"approval_request_id": "mcpr_stranger"}
    for items, said in [
        ([{"role": "user", "content": "Well?"}], "does not have an approval"),
        ([approval(request, True), stranger], "No MCP approval request found"),
    ]:
        with pytest.raises(openai.BadRequestError, match=said):
            tell(client, asked, *items)
