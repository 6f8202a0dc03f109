"""What the API knows: its fields, and the values they may have."""

from __future__ import annotations

JSON: dict[str, tuple[type, ...]] = {
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "string": (str,),
    "object": (dict,),
    "array": (list,),
}

# "?" marks a field that may be null.
FIELDS = {
    "access_programs": "object",
    "background": "boolean?",
    "background_options": "object",
    "context_management": "array?",
    "conversation": "string|object?",
    "image": "object",
    "include": "array?",
    "input": "string|array",
    "instructions": "string?",
    "max_output_tokens": "integer?",
    "max_tool_calls": "integer?",
    "metadata": "object?",
    "model": "string",
    "moderation": "object?",
    "parallel_tool_calls": "boolean?",
    "previous_response_id": "string?",
    "prompt": "object?",
    "prompt_cache_key": "string?",
    "prompt_cache_options": "object",
    "prompt_cache_retention": "string?",
    "reasoning": "object?",
    "safety_identifier": "string?",
    "service_tier": "string?",
    "store": "boolean?",
    "stream": "boolean?",
    "stream_options": "object?",
    "temperature": "number?",
    "text": "object",
    "tool_choice": "string|object",
    "tools": "array",
    "top_logprobs": "integer?",
    "top_p": "number?",
    "truncation": "string?",
    "user": "string",
}

INSIDE = {
    "background_options": ("completion_window", "continuation_id"),
    "moderation": ("model", "policy"),
    "moderation.policy": ("input", "output"),
    "moderation.policy.input": ("mode",),
    "moderation.policy.output": ("mode",),
    "reasoning": ("context", "effort", "generate_summary", "mode", "summary"),
    "text": ("format", "verbosity"),
    "text.format": ("type", "name", "schema", "strict", "description"),
}

TYPES = {
    "background_options.completion_window": "string",
    "background_options.continuation_id": "string",
    "moderation.policy": "object?",
    "moderation.policy.input": "object?",
    "moderation.policy.output": "object?",
}

CHOICES = {
    "background_options.completion_window": ("soonest", "2h", "8h"),
    "moderation.policy.input.mode": ("score", "block"),
    "moderation.policy.output.mode": ("score", "block"),
    "prompt_cache_retention": ("in_memory", "24h"),
    "reasoning.effort": ("none", "minimal", "low", "medium", "high", "xhigh", "max"),
    "reasoning.summary": ("auto", "concise", "detailed"),
    "service_tier": (
        "auto",
        "default",
        "flex",
        "scale",
        "priority",
        "fast",
        "ultrafast",
    ),
    "text.verbosity": ("low", "medium", "high"),
    "truncation": ("auto", "disabled"),
}
# Of those that have to be one of a list, these may not be null.
NEVER_NULL = ("moderation.policy.input.mode", "moderation.policy.output.mode")
LENGTHS = {"safety_identifier": 128}
RANGES: dict[str, tuple[float, float]] = {
    "max_output_tokens": (16, float("inf")),
    "max_tool_calls": (1, float("inf")),
    "temperature": (0, 2),
    "top_logprobs": (0, 20),
    "top_p": (0, 1),
}

# A name is known by how it begins.
MODELS = ("gpt-", "o", "sandbox-")
MODERATION_MODELS = ("omni-moderation-", "text-moderation-")
MODELS_SHOWN = ("gpt-6.2-sol", "gpt-5.6-sol", "gpt-5.4-mini", "o4-mini", "sandbox-1")

INCLUDES = (
    "file_search_call.results",
    "web_search_call.results",
    "web_search_call.action.sources",
    "message.input_image.image_url",
    "computer_call_output.output.image_url",
    "code_interpreter_call.outputs",
    "reasoning.encrypted_content",
    "message.output_text.logprobs",
)

# Each kind of tool, and what it cannot do without.
TOOL_NEEDS: dict[str, tuple[str, ...]] = {
    "apply_patch": (),
    "code_interpreter": ("container",),
    "computer": (),
    "computer_use_preview": (),
    "custom": ("name",),
    "file_search": ("vector_store_ids",),
    "function": ("name",),
    "image_generation": (),
    "local_shell": (),
    "mcp": ("server_label",),
    "namespace": ("name",),
    "programmatic_tool_calling": (),
    "shell": (),
    "tool_search": (),
    "web_search": (),
    "web_search_2025_08_26": (),
    "web_search_preview": (),
    "web_search_preview_2025_03_11": (),
}

ROLES = ("user", "assistant", "system", "developer")
INPUT_PARTS = ("input_text", "input_image", "input_file", "output_text", "refusal")
ITEMS = """
    additional_tools apply_patch_call apply_patch_call_output code_interpreter_call
    compaction compaction_trigger computer_call computer_call_output
    configuration_update custom_tool_call custom_tool_call_output file_search_call
    function_call function_call_output image_generation_call item_reference
    local_shell_call local_shell_call_output mcp_approval_request
    mcp_approval_response mcp_call mcp_list_tools message program program_output
    reasoning shell_call shell_call_output tool_search_call tool_search_output
    web_search_call
"""
INPUT_ITEMS = frozenset(ITEMS.split())

# What an item that answers a call, or shows one again, cannot do without.
ITEM_NEEDS = {
    "function_call": {"call_id": "string", "name": "string", "arguments": "string"},
    "function_call_output": {"call_id": "string", "output": "string|array"},
    "mcp_approval_request": {
        "id": "string",
        "server_label": "string",
        "name": "string",
        "arguments": "string",
    },
    "mcp_approval_response": {"approval_request_id": "string", "approve": "boolean"},
}
