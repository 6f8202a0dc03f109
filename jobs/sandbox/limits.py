"""The limits a schema sets to single values, and blanks that keep within them.

At the end: a short text for a regular expression, for when the prompt holds none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from . import kinds

Schema = dict[str, Any]

UNSTATED = "not stated"
NEUTRAL = ("unknown", "not stated", "unspecified", "n/a", "none", "neutral", "other")
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

# The parser of `re` is not public, but has stood as it is since Python 3.11.
parse: Any = re._parser.parse  # type: ignore[attr-defined]

CATEGORIES = {"DIGIT": "0", "WORD": "a", "SPACE": " ", "NOT_DIGIT": "a"}
CATEGORIES |= {"NOT_WORD": "-", "NOT_SPACE": "a"}
LETTERS = "a0A -_.,:;/@#+"


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
        plain = {str(one).replace("_", " ").lower(): one for one in options}
        neutral = (plain[one] for one in NEUTRAL if one in plain)
        return next(neutral, (*options, None)[0])
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


@cache
def compiled(pattern: str) -> re.Pattern[str] | None:
    """The pattern, if Python understands it: JSON schema means JavaScript's."""
    try:
        return re.compile(pattern)
    except (re.error, RecursionError, OverflowError):
        return None


def sample(pattern: str, least: int = 0) -> str:
    """A text in which the pattern is found, as long as `least` where it may be."""
    if compiled(pattern) is None:
        return ""
    texts = (write(parse(pattern), extra) for extra in range(least + 1))
    return next((text for text in texts if len(text) >= least), "")


def write(nodes: Any, extra: int) -> str:
    return "".join(write_node(str(kind), value, extra) for kind, value in nodes)


def write_node(kind: str, value: Any, extra: int) -> str:
    match kind:
        case "LITERAL":
            return chr(int(value))
        case "NOT_LITERAL":
            return next(letter for letter in LETTERS if ord(letter) != value)
        case "ANY":
            return "a"
        case "IN":
            return one_of(value)
        case "BRANCH":
            return write(value[1][0], extra)
        case "SUBPATTERN":
            return write(value[3], extra)
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            least, most, nodes = value
            return write(nodes, 0) * int(min(least + extra, int(most)))
    return ""


def one_of(choices: Any) -> str:
    kind, value = str(choices[0][0]), choices[0][1]
    if kind == "NEGATE":
        avoided = re.compile(class_source(choices[1:]))
        return next((letter for letter in LETTERS if not avoided.match(letter)), "")
    if kind == "RANGE":
        return chr(value[0])
    if kind == "CATEGORY":
        return CATEGORIES.get(str(value).removeprefix("CATEGORY_"), "a")
    return chr(value)


def class_source(choices: Any) -> str:
    shorthands = {"DIGIT": r"\d", "WORD": r"\w", "SPACE": r"\s"}
    source = ""
    for kind, value in choices:
        if str(kind) == "RANGE":
            source += f"{re.escape(chr(value[0]))}-{re.escape(chr(value[1]))}"
        elif str(kind) == "LITERAL":
            source += re.escape(chr(value))
        else:
            source += shorthands.get(str(value).removeprefix("CATEGORY_"), "")
    return f"[{source}]"
