"""What the sandbox refuses: what the real API would."""

from typing import Any, get_args, get_type_hints

import httpx2
import openai
import pytest
from openai.types import responses as sdk
from openai.types.responses import response_create_params, tool_param
from openai.types.shared_params import reasoning_effort

from jobs.sandbox import fields
from tests import sandbox
from tests.sandbox import TEXT, connect, post, record, request, run

provider, client = sandbox.provider, sandbox.client  # fixtures


def schema(strict: bool = True, name: str = "x", **more: Any) -> dict[str, Any]:
    form = {"type": "json_schema", "name": name, "strict": strict}
    return {"text": {"format": {**form, "schema": record(a=TEXT) | more}}}


def deep(levels: int) -> dict[str, Any]:
    return record(a=deep(levels - 1)) if levels else TEXT


def moderated(**policy: Any) -> dict[str, Any]:
    model = "omni-moderation-latest"
    return {"moderation": {"model": model, "policy": {"input": policy}}}


def function(**more: Any) -> dict[str, Any]:
    return {"tools": [{"type": "function", "name": "f", **more}]}


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
        {"service_tier": "flex", "background_options": LONG_WINDOW},
        "invalid_value", "service_tier",
    ),
    (
        {"background_options": {"completion_window": "1h"}},
        "invalid_value", "background_options.completion_window",
    ),
    (
        {"background_options": {"completion_window": None}},
        "invalid_type", "background_options.completion_window",
    ),
    (
        {"background_options": {"continuation_id": 7}},
        "invalid_type", "background_options.continuation_id",
    ),
    (
        {"background_options": {"window": "2h"}},
        "unknown_parameter", "background_options.window",
    ),
    ({"background_options": None}, "invalid_type", "background_options"),
    ({"max_tool_calls": 0}, "number_below_min_value", "max_tool_calls"),
    ({"max_tool_calls": "1"}, "invalid_type", "max_tool_calls"),
    ({"safety_identifier": 7}, "invalid_type", "safety_identifier"),
    ({"moderation": {}}, "missing_required_parameter", "moderation.model"),
    ({"moderation": {"model": 7}}, "invalid_type", "moderation.model"),
    ({"moderation": {"model": "gpt-5"}}, "model_not_found", "moderation.model"),
    (moderated(mode="hide"), "invalid_value", "moderation.policy.input.mode"),
    (moderated(mode=None), "invalid_value", "moderation.policy.input.mode"),
    (moderated(), "missing_required_parameter", "moderation.policy.input.mode"),
    (moderated(how="block"), "unknown_parameter", "moderation.policy.input.how"),
    (
        {"moderation": {"model": "omni-moderation-latest", "policy": "block"}},
        "invalid_type", "moderation.policy",
    ),
    (function(parameters=[]), "invalid_type", "tools[0].parameters"),
    (
        function(parameters={"type": 5}),
        "invalid_function_parameters", "tools[0].parameters",
    ),
    (
        function(parameters={"type": "object"}, strict=True),
        "invalid_function_parameters", "tools[0].parameters",
    ),
    (
        {"input": [{"type": "function_call_output", "output": "x"}]},
        "missing_required_parameter", "input[0].call_id",
    ),
    (
        {"input": [{"type": "function_call_output", "call_id": "c", "output": 1}]},
        "invalid_type", "input[0].output",
    ),
    (
        {"input": [{"type": "mcp_approval_response", "approval_request_id": "m"}]},
        "missing_required_parameter", "input[0].approve",
    ),
    (
        {"input": [{"type": "function_call_output", "call_id": "c", "output": "x"}]},
        None, "input",
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
        {"background_options": LONG_WINDOW, "service_tier": "default"},
        {"background_options": {"continuation_id": "c"}, "background": True},
        {"max_tool_calls": 1, "safety_identifier": "x" * 128},
        moderated(mode="block"),
        {"moderation": {"model": "omni-moderation-latest", "policy": {"input": None}}},
        {"moderation": None},
        function(parameters=record(a=TEXT), strict=True),
        function(parameters={"type": "object"}),
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
        verify=False,
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
    bare = httpx2.get(f"{provider.base_url}/models", verify=False)
    assert bare.status_code == 401
    assert set(bare.json()["error"]) == {"message", "type", "param", "code"}


def test_a_key_without_credit_may_look_but_not_start(provider):
    with connect(provider, "sk-quota-1") as client:
        assert client.models.list().data[0].id
        with pytest.raises(openai.RateLimitError) as caught:
            client.responses.create(**request("Hello"))
    assert (caught.value.code, caught.value.type) == ("insufficient_quota",) * 2
