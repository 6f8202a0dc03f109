"""Single values of a structured answer, found in the facts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from . import kinds
from .facts import Facts, name_terms
from .limits import FORMATS, compiled, fits
from .words import stem, words

Schema = dict[str, Any]
Finder = Callable[[str], Iterable[Any]]
MISSING: Any = object()

NO_WORDS = re.compile(
    r"\b(?:not?|never|without|none|neither|cannot)\b|n['\u2019]t\b", re.IGNORECASE
)
MONEY_WORDS = name_terms(
    "amount total price cost fee balance subtotal tax vat net gross"
)
PROSE_WORDS = name_terms(
    "summary answer overview brief text note comment reason explanation finding body "
    "rationale recommendation conclusion description detail claim quote point statement"
)

# What a property is called tells what to look for, where the schema says no format.
HINTS: dict[str, Finder] = {
    stem("email"): kinds.EMAIL.findall,
    stem("date"): kinds.DATE.findall,
    stem("url"): kinds.URL.findall,
    stem("website"): kinds.URL.findall,
    stem("phone"): kinds.PHONE.findall,
    stem("supplier"): kinds.COMPANY.findall,
    stem("company"): kinds.COMPANY.findall,
    stem("currency"): kinds.currencies_in,
    stem("number"): kinds.IDENTIFIER.findall,
}
# Kinds of which one may be taken from anywhere in the text.
TELLING_HINTS = (
    kinds.COMPANY.findall,
    kinds.EMAIL.findall,
    kinds.PHONE.findall,
    kinds.URL.findall,
    kinds.currencies_in,
)


def find_leaf(schema: Schema, kind: str, name: str, facts: Facts) -> Any:
    """The first value for this name that the schema takes, or MISSING."""
    if "const" in schema:
        return schema["const"]
    finder = find_choice if "enum" in schema else FINDERS.get(kind, find_text)
    values = finder(schema, name, facts)
    return next((value for value in values if fits(value, schema)), MISSING)


def find_choice(schema: Schema, name: str, facts: Facts) -> Iterator[Any]:
    """The enum's words that stand by the name, then those that occur at all."""
    options = [one for one in schema["enum"] if isinstance(one, str)]
    for value in facts.named(name):
        if value in schema["enum"]:
            yield value
        yield from occurring(options, str(value))
    asked = name_terms(name)
    near = [line for line, about in facts.lines if asked & about]
    for line in [*near, *(line for line, _ in facts.lines)]:
        # A line with several of them lists what there is to choose from.
        if len(found := list(occurring(options, line))) == 1:
            yield from found


def occurring(options: list[str], text: str) -> Iterator[str]:
    present = {stem(word) for word in words(text)}
    for option in options:
        needed = {stem(word) for word in words(option.replace("_", " "))}
        if needed and needed <= present:
            yield option


def find_truth(schema: Schema, name: str, facts: Facts) -> Iterator[bool]:
    """A plain yes or no, or a sentence that says what the name says."""
    for value in facts.named(name):
        truth = value if isinstance(value, bool) else kinds.truth_of(str(value))
        if truth is not None:
            yield truth
    asked = name_terms(name)
    for line, about in facts.lines:
        if asked and asked <= about:
            yield not NO_WORDS.search(line)


def find_number(schema: Schema, name: str, facts: Facts) -> Iterator[float]:
    """By name, then beside it: amounts of money where the name speaks of money."""
    for value in facts.named(name):
        yield from map(tidy, as_numbers(value))
    seek = kinds.money_in if name_terms(name) & MONEY_WORDS else kinds.numbers_in
    yield from map(tidy, near_name(seek, name, facts))


def find_integer(schema: Schema, name: str, facts: Facts) -> Iterator[int]:
    """The same, without fractions."""
    found = find_number(schema, name, facts)
    return (one for one in found if isinstance(one, int))


def tidy(number: float) -> float:
    return int(number) if number == int(number) else number


def as_numbers(value: Any) -> Iterator[float]:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        yield value
    if isinstance(value, str):
        yield from kinds.money_in(value)
        yield from kinds.numbers_in(value)


def find_text(schema: Schema, name: str, facts: Facts) -> Iterator[str]:
    """By name, by format, hint or pattern, and at last as prose."""
    form, pattern = FORMATS.get(schema.get("format", "")), schema.get("pattern")
    seek = form[0] if form else hinted(name)
    for value in texts(facts.named(name)):
        yield from seek(value) if seek else (value,)
    if not form:
        yield from texts(facts.exactly(name))
    if seek:
        yield from near_name(seek, name, facts)
    if form or seek in TELLING_HINTS:
        yield from seek(facts.text) if seek else ()
    if pattern:
        yield from matching(pattern, facts.text)
    elif not seek:
        yield from as_prose(schema, name, facts)


def hinted(name: str) -> Finder | None:
    asked = name_terms(name)
    return next((HINTS[hint] for hint in HINTS if hint in asked), None)


def texts(values: Iterable[Any]) -> Iterator[str]:
    """Those of the values that can be written in a word or a line."""
    for value in values:
        plain = isinstance(value, (str, int, float)) and not isinstance(value, bool)
        if plain and str(value).strip():
            yield str(value).strip()


def matching(pattern: str, text: str) -> Iterator[str]:
    if found := compiled(pattern):
        yield from (one[0] for one in found.finditer(text))
        yield from (word.strip(".,;:!?") for word in text.split())


def as_prose(schema: Schema, name: str, facts: Facts) -> Iterator[str]:
    """The sentences that speak of what the name and its description speak of."""
    lines = facts.telling(
        f"{name} {schema.get('description', '')}", of_question=is_prose(name)
    )
    if is_prose(name):
        yield " ".join(lines[:2])
    yield from lines[:2]


def is_prose(name: str) -> bool:
    """Whether what bears this name is written in sentences."""
    return bool(name_terms(name) & PROSE_WORDS)


def near_name(seek: Finder, name: str, facts: Facts) -> Iterator[Any]:
    """What is found in the sentences that mention the name."""
    asked = name_terms(name)
    near = [(len(asked & about), line) for line, about in facts.lines if asked & about]
    for _, line in sorted(near, key=lambda one: one[0], reverse=True):
        yield from seek(line)


FINDERS: dict[str, Callable[[Schema, str, Facts], Iterator[Any]]] = {
    "boolean": find_truth,
    "integer": find_integer,
    "number": find_number,
    "string": find_text,
}
