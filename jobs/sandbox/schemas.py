"""What structured outputs ask of a strict schema."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .errors import Refused

DEEPEST = 10
NOT_PERMITTED = (
    "allOf",
    "dependentRequired",
    "dependentSchemas",
    "else",
    "if",
    "not",
    "oneOf",
    "patternProperties",
    "then",
)


# What a keyword's value is, where it is used.
KEYWORDS: dict[str, tuple[type, ...]] = {
    "$defs": (dict,),
    "$ref": (str,),
    "anyOf": (list,),
    "definitions": (dict,),
    "description": (str,),
    "enum": (list,),
    "exclusiveMaximum": (int, float),
    "exclusiveMinimum": (int, float),
    "format": (str,),
    "items": (dict,),
    "maxItems": (int,),
    "maxLength": (int,),
    "maximum": (int, float),
    "minItems": (int,),
    "minLength": (int,),
    "minimum": (int, float),
    "multipleOf": (int, float),
    "oneOf": (list,),
    "pattern": (str,),
    "properties": (dict,),
    "required": (list,),
    "title": (str,),
    "type": (str, list),
}


def check_schema(
    schema: dict[str, Any], *, of: str, strict: bool, param: str, code: str
) -> None:
    """Refuse a schema that is none, or that the model could not be held to."""
    for where, part in walk(schema):
        why = malformed(part) or (too_lax(part, where) if strict else "")
        if why:
            raise Refused(
                f"Invalid schema for {of}: In context={where}, {why}",
                param=param,
                code=code,
            )


def malformed(schema: Any) -> str:
    """What keeps this part from being a schema at all; empty if nothing."""
    if not isinstance(schema, dict):
        return f"{schema!r} is not of type 'object'."
    for keyword, value in schema.items():
        if not isinstance(value, KEYWORDS.get(keyword, (object,))):
            return f"{value!r} is not valid under '{keyword}'."
    return "'enum' is empty." if schema.get("enum") == [] else ""


def too_lax(schema: dict[str, Any], where: tuple[str, ...]) -> str:
    """What a strict schema may not do, and this part does; empty if nothing."""
    if not where and (schema.get("type") != "object" or "anyOf" in schema):
        return "schema must be of type 'object', without 'anyOf' on top."
    if sum(step in ("properties", "items") for step in where) > DEEPEST:
        return f"more than {DEEPEST} levels of nesting."
    for keyword in NOT_PERMITTED:
        if keyword in schema:
            return f"'{keyword}' is not permitted."
    if not is_object(schema):
        return ""
    if schema.get("additionalProperties") is not False:
        return "'additionalProperties' is required to be supplied and to be false."
    needed = schema.get("required", ())
    missing = [name for name in schema.get("properties", ()) if name not in needed]
    if missing:
        return (
            "'required' is required to be supplied and to be an array including every "
            f"key in properties. Missing '{missing[0]}'."
        )
    return ""


def is_object(schema: dict[str, Any]) -> bool:
    kind = schema.get("type")
    return kind == "object" or (isinstance(kind, list) and "object" in kind)


def walk(
    schema: Any, where: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every part of a schema that is a schema itself, with the way to it."""
    yield where, schema
    if not isinstance(schema, dict) or len(where) > 4 * DEEPEST:
        return
    for keyword in ("properties", "$defs", "definitions"):
        parts = schema.get(keyword)
        for name, part in parts.items() if isinstance(parts, dict) else ():
            yield from walk(part, (*where, keyword, name))
    for keyword in ("anyOf", "oneOf"):
        options = schema.get(keyword)
        for place, part in enumerate(options if isinstance(options, list) else ()):
            yield from walk(part, (*where, keyword, str(place)))
    if "items" in schema:
        yield from walk(schema["items"], (*where, "items"))
