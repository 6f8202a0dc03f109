"""Calls that the model wants made, and what it is told of them in the next request."""

from __future__ import annotations

import json
from typing import Any

from .errors import Refused
from .filling import fill
from .items import Item, function_call, mcp_approval_request, mcp_call, reasoning
from .prompts import Prompt

LOOK_UP: dict[str, Any] = {"name": "look_up"}
RECORDS: dict[str, Any] = {"server_label": "records"}
ANSWERS = {
    "function_call_output": "call_id",
    "mcp_approval_response": "approval_request_id",
}


def write_function_call(prompt: Prompt) -> list[Item]:
    """A call of the first function there is, with arguments from the prompt."""
    function = first_tool(prompt, "function") or LOOK_UP
    arguments = arguments_for(prompt, function.get("parameters"))
    return [thought(function["name"]), function_call(function["name"], arguments)]


def write_bad_call(prompt: Prompt) -> list[Item]:
    """The same, but the arguments end in the middle."""
    *steps, call = write_function_call(prompt)
    return [*steps, call | {"arguments": call["arguments"][:-1]}]


def write_approval_request(prompt: Prompt) -> list[Item]:
    """A request to be let use a tool of an MCP server."""
    label = (first_tool(prompt, "mcp") or RECORDS)["server_label"]
    arguments = arguments_for(prompt, None)
    return [thought(label), mcp_approval_request(label, "change_record", arguments)]


def thought(name: str) -> Item:
    return reasoning(f"**Asking for help**\n\nThis cannot be done without {name}.")


def first_tool(prompt: Prompt, kind: str) -> dict[str, Any] | None:
    return next((tool for tool in prompt.tools if tool["type"] == kind), None)


def arguments_for(prompt: Prompt, schema: dict[str, Any] | None) -> str:
    asked = fill(schema, prompt) if schema else {"query": prompt.question}
    return json.dumps(asked, ensure_ascii=False)


def brings_answers(body: dict[str, Any]) -> bool:
    """Whether the request answers calls of the model."""
    return any(item.get("type") in ANSWERS for item in input_items(body))


def check_answers(body: dict[str, Any], before: list[Item]) -> None:
    """Refuse answers to what was not asked, and silence about what was."""
    open_calls = [*before, *input_items(body)]
    asked = {one["call_id"] for one in open_calls if one.get("type") == "function_call"}
    requests = {
        one["id"] for one in open_calls if one.get("type") == "mcp_approval_request"
    }
    outputs = answered(body, "function_call_output")
    approvals = answered(body, "mcp_approval_response")
    for call in outputs - asked:
        raise refusal(f"No tool call found for function call output {call}.")
    for call in asked - outputs:
        raise refusal(f"No tool output found for function call {call}.")
    for one in approvals - requests:
        raise refusal(f"No MCP approval request found with id {one}.")
    for one in requests - approvals:
        raise refusal(f"The MCP approval request {one} does not have an approval.")


def calls_made(body: dict[str, Any], before: list[Item]) -> list[Item]:
    """The calls of MCP tools that the request approves, as they went."""
    known = {item.get("id"): item for item in [*before, *input_items(body)]}
    return [
        mcp_call(known[item["approval_request_id"]])
        for item in input_items(body)
        if item.get("type") == "mcp_approval_response" and item["approve"]
    ]


def answered(body: dict[str, Any], kind: str) -> set[Any]:
    items = input_items(body)
    return {item.get(ANSWERS[kind]) for item in items if item.get("type") == kind}


def input_items(body: dict[str, Any]) -> list[Item]:
    given = body["input"]
    return given if isinstance(given, list) else []


def refusal(message: str) -> Refused:
    return Refused(message, param="input")
