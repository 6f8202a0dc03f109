"""Lists in a prompt: JSON arrays, tables, and lines that look alike."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any

from . import kinds
from .facts import Facts, likeness, name_terms
from .prompts import section

Schema = dict[str, Any]
Row = dict[str, Any]

BULLET = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s+(?=\S)")
COUNTED = re.compile(r"^\s*\d+\s*(?:x|\u00d7|pcs\.?)\s", re.IGNORECASE)
CELL = re.compile(r"\s*(?:[,;|\t@=]|\s[\u2013—-]\s|:\s)\s*")
TIMES = re.compile(r"\b(\d+)\s*(?:x|\u00d7|pcs\.?)\s+", re.IGNORECASE)
RULE = re.compile(r"[\s|:+-]+")


def find_rows(schema: Schema, name: str, facts: Facts) -> list[Row]:
    """What may fill a list of objects, as objects with names of their own."""
    properties: dict[str, Schema] = schema.get("properties", {})
    lines = find_lines(name, facts.text) or longest_list(facts.text)
    return (
        json_rows(properties, name, facts)
        or table_rows(properties, facts.text)
        or [line_row(properties, line) for line in lines]
    )


def json_rows(properties: dict[str, Schema], name: str, facts: Facts) -> list[Row]:
    named = [value for value in facts.named(name) if is_table(value)]
    others = [value for _, value in facts.pairs if is_table(value)]
    alike = [value for value in others if shared(value[0], properties) >= 0.5]
    return next(iter([*named, *alike]), [])


def is_table(value: Any) -> bool:
    rows = value if isinstance(value, list) else []
    return bool(rows) and all(isinstance(row, dict) for row in rows)


def shared(names: Any, properties: dict[str, Schema]) -> float:
    """How many of the properties these names cover."""
    given = [name_terms(name) for name in names]
    met = [
        any(likeness(name_terms(p), one) >= 0.5 for one in given) for p in properties
    ]
    return sum(met) / (len(met) or 1)


def table_rows(properties: dict[str, Schema], text: str) -> list[Row]:
    """The rows of the first table whose header names half of the properties."""
    lines = text.splitlines()
    for mark in ("|", "\t", ";", ","):
        for place, line in enumerate(lines):
            header = cells(line, mark)
            if len(header) > 1 and shared(header, properties) >= 0.5:
                return list(rows_below(header, lines[place + 1 :], mark))
    return []


def rows_below(header: list[str], lines: list[str], mark: str) -> Iterator[Row]:
    for line in lines:
        row = cells(line, mark)
        if len(row) != len(header):
            return
        if not RULE.fullmatch(line):
            yield dict(zip(header, row, strict=True))


def cells(line: str, mark: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split(mark)]


def find_lines(name: str, text: str) -> list[str]:
    """The lines of the list under this name."""
    title = name.replace("_", " ").lower()
    below = [
        section(text, re.escape(one)) for one in (title, *title.split()[-1:]) if one
    ]
    return next((lines for part in below for lines in lists_in(part)), [])


def longest_list(text: str) -> list[str]:
    return max(lists_in(text), key=len, default=[])


def lists_in(text: str) -> list[list[str]]:
    groups = groupby(text.splitlines(), key=is_listed)
    return [[unmark(line) for line in group] for listed, group in groups if listed]


def is_listed(line: str) -> bool:
    return bool(BULLET.match(line) or COUNTED.match(line))


def unmark(line: str) -> str:
    return BULLET.sub("", line).strip()


def line_row(properties: dict[str, Schema], line: str) -> Row:
    """One line as an object: its parts go to the properties they suit, in order."""
    parts = Parts(line)
    row = {name: parts.take(schema, name) for name, schema in properties.items()}
    return {name: value for name, value in row.items() if value is not None}


class Parts:
    """What a line consists of, each part to be taken once."""

    def __init__(self, line: str) -> None:
        rest = kinds.DATE.sub(" ", kinds.EMAIL.sub(" ", line))
        self.dates = kinds.DATE.findall(line)
        self.emails = kinds.EMAIL.findall(line)
        self.counts = [float(count) for count in TIMES.findall(rest)]
        rest = TIMES.sub(" ", rest)
        self.money = list(kinds.money_in(rest))
        rest = kinds.MONEY.sub(" ", rest)
        self.numbers = self.counts + list(kinds.numbers_in(rest))
        bare = (cell.strip(" .()*_") for cell in CELL.split(rest))
        self.texts = [cell for cell in bare if re.search(r"[^\W\d_]{2}", cell)]

    def take(self, schema: Schema, name: str) -> Any:
        """The next part for a property, or None."""
        parts = next(chosen(self) for suits, chosen in CHOICES if suits(schema, name))
        return parts.pop(0) if parts else None


def kind_is(*kinds_wanted: str) -> Callable[[Schema, str], bool]:
    def suits(schema: Schema, name: str) -> bool:
        kind = schema.get("type")
        return any(kind == one or one in (kind or ()) for one in kinds_wanted)

    return suits


def speaks_of(*subjects: str) -> Callable[[Schema, str], bool]:
    wanted = name_terms(" ".join(subjects))
    return lambda schema, name: bool(
        wanted & (name_terms(name) | name_terms(str(schema.get("format", ""))))
    )


CHOICES: tuple[tuple[Callable[[Schema, str], bool], Callable[[Parts], list[Any]]], ...]
CHOICES = (
    (speaks_of("email"), lambda parts: parts.emails),
    (speaks_of("date", "day", "due"), lambda parts: parts.dates),
    (kind_is("integer"), lambda parts: parts.numbers),
    (speaks_of("quantity", "count", "percent"), lambda parts: parts.numbers),
    (kind_is("number"), lambda parts: parts.money or parts.numbers),
    (lambda schema, name: True, lambda parts: parts.texts),
)
