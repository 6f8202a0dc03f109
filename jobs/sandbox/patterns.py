"""A short text for a regular expression, for when the prompt holds none that fits."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

# The parser of `re` is not public, but has stood as it is since Python 3.11.
parse: Any = re._parser.parse  # type: ignore[attr-defined]

CATEGORIES = {"DIGIT": "0", "WORD": "a", "SPACE": " ", "NOT_DIGIT": "a"}
CATEGORIES |= {"NOT_WORD": "-", "NOT_SPACE": "a"}
LETTERS = "a0A -_.,:;/@#+"


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
