"""What the API refuses: fields it does not have, and values it does not take."""

from __future__ import annotations

import re
from typing import Any

from . import fields
from .errors import (
    Refused,
    missing,
    too_long,
    unknown_parameter,
    wrong_type,
    wrong_value,
)
from .schemas import check_schema

NAME = re.compile(r"[a-zA-Z0-9_-]+")
ABSENT = object()


def check_create(body: Any) -> dict[str, Any]:
    """The body of a create call, if the API would take it."""
    if not isinstance(body, dict):
        raise Refused("The body of the request must be a fields.JSON object.")
    for check in CHECKS:
        check(body)
    return body


def check_fields(body: dict[str, Any]) -> None:
    for name, value in body.items():
        if name not in fields.FIELDS:
            raise unknown_parameter(name)
        check_type(name, value, fields.FIELDS[name])
    for path, kind in fields.TYPES.items():
        if (value := at(body, path)) is not ABSENT:
            check_type(path, value, kind)
    for path, known in fields.INSIDE.items():
        value = at(body, path)
        for name in value if isinstance(value, dict) else ():
            if name not in known:
                raise unknown_parameter(f"{path}.{name}")


def check_type(param: str, value: Any, kind: str) -> None:
    if value is None and kind.endswith("?"):
        return
    names = kind.rstrip("?").split("|")
    kinds = tuple(python for name in names for python in fields.JSON[name])
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise wrong_type(param, kind.rstrip("?"), value)


def check_presence(body: dict[str, Any]) -> None:
    for name in ("model", "input"):
        if not body.get(name):
            raise missing(name)


def check_model(body: dict[str, Any]) -> None:
    model = body["model"]
    if not model.startswith(fields.MODELS):
        message = f"The requested model '{model}' does not exist."
        raise Refused(message, param="model", code="model_not_found")


def check_values(body: dict[str, Any]) -> None:
    for path, choices in fields.CHOICES.items():
        value = at(body, path)
        if value is ABSENT or (value is None and path not in fields.NEVER_NULL):
            continue
        if value not in choices:
            raise wrong_value(path, value, choices)
    for path, longest in fields.LENGTHS.items():
        value = at(body, path)
        if isinstance(value, str) and len(value) > longest:
            raise too_long(path, longest, len(value))
    for name, (least, most) in fields.RANGES.items():
        check_range(name, body.get(name), least, most)


def check_range(name: str, value: float | None, least: float, most: float) -> None:
    if value is None or least <= value <= most:
        return
    side, bound = ("minimum", least) if value < least else ("maximum", most)
    raise Refused(
        f"Invalid '{name}': value {value} is past the {side}, {bound}.",
        param=name,
        code=f"number_{'below_min' if value < least else 'above_max'}_value",
    )


def check_metadata(body: dict[str, Any]) -> None:
    metadata = body.get("metadata") or {}
    if len(metadata) > 16:
        raise Refused(
            "Invalid 'metadata': too many properties. Expected an object with at most "
            f"16 properties, but got an object with {len(metadata)} instead.",
            param="metadata",
            code="object_above_max_properties",
        )
    for key, value in metadata.items():
        if len(key) > 64:
            raise too_long("metadata", 64, len(key))
        check_type(f"metadata.{key}", value, "string")
        if len(value) > 512:
            raise too_long(f"metadata.{key}", 512, len(value))


def check_background(body: dict[str, Any]) -> None:
    if body.get("background") and body.get("store") is not True:
        message = "Background mode requires 'store' to be true."
        raise Refused(message, param="store", code="invalid_value")
    window = at(body, "background_options.completion_window")
    if window not in ("2h", "8h"):
        return
    if not body.get("background"):
        message = f"A completion window of {window} requires 'background'."
        raise Refused(message, param="background_options", code="invalid_value")
    if body.get("service_tier") not in (None, "auto", "default"):
        message = f"A completion window of {window} requires the default service tier."
        raise Refused(message, param="service_tier", code="invalid_value")


def check_moderation(body: dict[str, Any]) -> None:
    if at(body, "moderation") in (ABSENT, None):
        return
    model = at(body, "moderation.model")
    if not model or model is ABSENT:
        raise missing("moderation.model")
    check_type("moderation.model", model, "string")
    if not model.startswith(fields.MODERATION_MODELS):
        message = f"The requested model '{model}' does not exist."
        raise Refused(message, param="moderation.model", code="model_not_found")
    for side in ("input", "output"):
        path = f"moderation.policy.{side}"
        if at(body, path) not in (ABSENT, None) and at(body, f"{path}.mode") is ABSENT:
            raise missing(f"{path}.mode")


def check_state(body: dict[str, Any]) -> None:
    if body.get("conversation") and body.get("previous_response_id"):
        raise Refused(
            "Mutually exclusive parameters: 'conversation', 'previous_response_id'.",
            param="previous_response_id",
            code="mutually_exclusive_parameters",
        )


def check_unserved(body: dict[str, Any]) -> None:
    # The real API has these; whoever needs them here should hear that at once.
    for name in ("stream", "prompt"):
        if body.get(name):
            message = f"The sandbox does not serve '{name}'."
            raise Refused(message, param=name, code="unsupported_parameter")


def check_includes(includes: list[Any] | None, param: str = "include") -> None:
    """Refuse to include what there is not."""
    for place, value in enumerate(includes or ()):
        if value not in fields.INCLUDES:
            raise wrong_value(f"{param}[{place}]", value, fields.INCLUDES)


def check_tools(body: dict[str, Any]) -> None:
    for place, tool in enumerate(body.get("tools") or ()):
        param = f"tools[{place}]"
        check_type(param, tool, "object")
        check_type(f"{param}.type", tool.get("type"), "string")
        if tool["type"] not in fields.TOOL_NEEDS:
            raise wrong_value(f"{param}.type", tool["type"], fields.TOOL_NEEDS)
        for need in fields.TOOL_NEEDS[tool["type"]]:
            if not tool.get(need):
                raise missing(f"{param}.{need}")
        if tool["type"] == "function":
            check_parameters(tool, f"{param}.parameters")


def check_parameters(tool: dict[str, Any], param: str) -> None:
    parameters = tool.get("parameters")
    check_type(param, parameters, "object?")
    if parameters:
        check_schema(
            parameters,
            of=f"function '{tool['name']}'",
            strict=tool.get("strict") is True,
            param=param,
            code="invalid_function_parameters",
        )


def check_input(body: dict[str, Any], name: str = "input") -> None:
    items = body["input"] if isinstance(body["input"], list) else ()
    for place, item in enumerate(items):
        param = f"{name}[{place}]"
        check_type(param, item, "object")
        kind = item.get("type", "message")
        check_type(f"{param}.type", kind, "string")
        if kind not in fields.INPUT_ITEMS:
            raise wrong_value(f"{param}.type", kind, sorted(fields.INPUT_ITEMS))
        if kind == "message":
            check_message(item, param)
        for name, value_kind in fields.ITEM_NEEDS.get(kind, {}).items():
            if name not in item:
                raise missing(f"{param}.{name}")
            check_type(f"{param}.{name}", item[name], value_kind)


def check_message(item: dict[str, Any], param: str) -> None:
    if item.get("role") not in fields.ROLES:
        raise wrong_value(f"{param}.role", item.get("role"), fields.ROLES)
    if "content" not in item:
        raise missing(f"{param}.content")
    check_type(f"{param}.content", item["content"], "string|array")
    parts = item["content"] if isinstance(item["content"], list) else ()
    for place, part in enumerate(parts):
        where = f"{param}.content[{place}]"
        check_type(where, part, "object")
        if part.get("type") not in fields.INPUT_PARTS:
            raise wrong_value(f"{where}.type", part.get("type"), fields.INPUT_PARTS)
        if part["type"] == "input_text":
            check_type(f"{where}.text", part.get("text"), "string")


def check_format(body: dict[str, Any]) -> None:
    form = at(body, "text.format")
    if form in (ABSENT, None):
        return
    check_type("text.format", form, "object")
    if form.get("type") not in ("text", "json_object", "json_schema"):
        known = ("text", "json_object", "json_schema")
        raise wrong_value("text.format.type", form.get("type"), known)
    if form["type"] == "json_schema":
        check_json_schema(form)


def check_json_schema(form: dict[str, Any]) -> None:
    for name, kind in (("name", "string"), ("schema", "object")):
        if name not in form:
            raise missing(f"text.format.{name}")
        check_type(f"text.format.{name}", form[name], kind)
    check_type("text.format.strict", form.get("strict"), "boolean?")
    if len(form["name"]) > 64:
        raise too_long("text.format.name", 64, len(form["name"]))
    if not NAME.fullmatch(form["name"]):
        raise Refused(
            "Invalid 'text.format.name': string does not match pattern. Expected a "
            "string that matches the pattern '^[a-zA-Z0-9_-]+$'.",
            param="text.format.name",
            code="invalid_value",
        )
    check_schema(
        form["schema"],
        of=f"response_format '{form['name']}'",
        strict=bool(form.get("strict")),
        param="text.format.schema",
        code="invalid_json_schema",
    )


def at(body: dict[str, Any], path: str) -> Any:
    """The value at a dotted path; ABSENT if the way ends before."""
    value: Any = body
    for name in path.split("."):
        if not isinstance(value, dict) or name not in value:
            return ABSENT
        value = value[name]
    return value


CHECKS = (
    check_fields,
    check_presence,
    check_model,
    check_values,
    check_metadata,
    check_background,
    check_moderation,
    check_state,
    check_unserved,
    lambda body: check_includes(body.get("include")),
    check_tools,
    check_input,
    check_format,
)
