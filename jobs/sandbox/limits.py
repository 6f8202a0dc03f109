"""The limits a schema sets to single values, and blanks that keep within them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from . import kinds
from .patterns import compiled, sample

Schema = dict[str, Any]

UNSTATED = "not stated"
NEUTRAL = ("unknown", "other", "none", "n/a", "unspecified", "not_stated", "neutral")
HOST = re.compile(r"\b(?:[a-z0-9-]+\.)+[a-z]{2,}\b")
SPAN = re.compile(r"\bP(?:\d+[YMWD]|T\d+[HMS])+")
IPV6 = re.compile(r"\b(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}")

# How each format is found in a text, and what stands for it when it is not.
FORMATS: dict[str, tuple[Callable[[str], Iterable[str]], str]] = {
    "date": (kinds.dates_in, "1970-01-01"),
    "date-time": (kinds.moments_in, "1970-01-01T00:00:00Z"),
    "time": (kinds.times_in, "00:00:00Z"),
    "duration": (SPAN.findall, "PT0S"),
    "email": (kinds.EMAIL.findall, "unknown@example.invalid"),
    "uri": (kinds.URL.findall, "https://example.invalid/"),
    "hostname": (HOST.findall, "example.invalid"),
    "ipv4": (kinds.IPV4.findall, "192.0.2.1"),
    "ipv6": (IPV6.findall, "2001:db8::1"),
    "uuid": (kinds.UUID.findall, "00000000-0000-0000-0000-000000000000"),
}


def fits(value: Any, schema: Schema) -> bool:
    """Whether the schema's own limits take this value."""
    if "enum" in schema and value not in schema["enum"]:
        return False
    if isinstance(value, bool):
        return True
    if isinstance(value, str):
        length, pattern = len(value), compiled(schema.get("pattern", ""))
        least, most = schema.get("minLength", 0), schema.get("maxLength", length)
        return least <= length <= most and bool(not pattern or pattern.search(value))
    return fits_number(value, schema) if isinstance(value, (int, float)) else True


def fits_number(value: float, schema: Schema) -> bool:
    step = schema.get("multipleOf")
    return (
        value >= schema.get("minimum", value)
        and value <= schema.get("maximum", value)
        and ("exclusiveMinimum" not in schema or value > schema["exclusiveMinimum"])
        and ("exclusiveMaximum" not in schema or value < schema["exclusiveMaximum"])
        and (not step or value / step == int(value / step))
    )


def blank_leaf(schema: Schema, kind: str) -> Any:
    """A value that says nothing and that the schema takes."""
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        options = schema["enum"]
        return next((one for one in options if one in NEUTRAL), (*options, None)[0])
    if kind == "string":
        return blank_text(schema)
    if kind in ("integer", "number"):
        return blank_number(schema, kind)
    return False if kind == "boolean" else None


def blank_text(schema: Schema) -> str:
    least = schema.get("minLength", 0)
    texts = [
        FORMATS.get(schema.get("format", ""), (None, UNSTATED))[1],
        UNSTATED[: schema.get("maxLength")],
        sample(schema.get("pattern", ""), least),
        UNSTATED.ljust(least, "."),
    ]
    return next((text for text in texts if fits(text, schema)), "")


def blank_number(schema: Schema, kind: str) -> float:
    step = schema.get("multipleOf", 1)
    low = bound(schema, "minimum", "exclusiveMinimum")
    high = bound(schema, "maximum", "exclusiveMaximum")
    values = [0, low, high, (low + high) / 2] if kind == "number" else []
    starts = [start // step * step for start in (0, low, high)]
    values += [start + turn * step for start in starts for turn in (0, 1, -1)]
    if kind == "number":
        values += [low + step / 2, high - step / 2]
    return next((value for value in values if fits(value, schema)), 0)


def bound(schema: Schema, *names: str) -> float:
    """The first of these limits that the schema sets, or none."""
    limits: list[float] = [schema[name] for name in names if name in schema]
    return limits[0] if limits else 0
