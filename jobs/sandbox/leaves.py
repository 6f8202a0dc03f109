"""Single values of a structured answer, found in the facts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from . import kinds
from .facts import Facts, name_terms
from .limits import FORMATS, compiled, fits
from .policy import Rule, matter
from .words import sentences, stem, words

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

REASON_WORDS = name_terms("explanation reason rationale justification grounds")

# What a description tells of the form that a value is to have.
WHOLE = re.compile(
    r"\b(?:word for word|verbatim|as it stands|character for character)\b",
    re.IGNORECASE,
)
DATED = re.compile(r"\bYYYY-MM-DD\b")
SUCH_AS = re.compile(
    r"\b(?:such as|for example|e\.g\.|like) ['\"\u2018\u201c(]?([\w/.#\u00a7-]*\w)",
    re.IGNORECASE,
)
OBLIGED = re.compile(r"\b(?:must|has to|have to|required|needs? to|should|may)\b")
OF_RULES = matter("rule policy")

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
    yield from by_rule(schema, name, facts)
    asked = name_terms(name)
    for line, about in facts.lines:
        if asked and asked <= about:
            yield not NO_WORDS.search(line)
    if not schema.get("nullable"):
        yield from by_subject(schema, name, facts)


def by_rule(schema: Schema, name: str, facts: Facts) -> Iterator[bool]:
    """Whether a rule covers the case, or what that rule obliges to."""
    described, rule = schema.get("description", ""), facts.case.rule()
    if facts.case.policy.rules and OF_RULES & matter(described):
        yield rule is not None
    elif rule and OBLIGED.search(described):
        asked = matter(subject_of(schema, name))
        lines = [line for line in sentences(rule.text) if len(matter(line) & asked) > 1]
        yield bool(lines) and not NO_WORDS.search(lines[0])


def by_subject(schema: Schema, name: str, facts: Facts) -> Iterator[bool]:
    """Whether any of the sentences that come nearest to the subject affirms it."""
    asked = matter(subject_of(schema, name))
    near = [(len(asked & matter(line)), line) for line, _ in facts.lines]
    most = max((count for count, _ in near), default=0)
    if most and "description" in schema:
        yield any(not NO_WORDS.search(line) for count, line in near if count == most)


def subject_of(schema: Schema, name: str) -> str:
    """What the schema says that the value is about."""
    return f"{name} {schema.get('title', '')} {schema.get('description', '')}"


def find_number(schema: Schema, name: str, facts: Facts) -> Iterator[float]:
    """By name, then beside it: amounts of money where the name speaks of money."""
    for value in facts.named(name):
        yield from as_numbers(value)
    seek = kinds.money_in if name_terms(name) & MONEY_WORDS else kinds.numbers_in
    yield from near_name(seek, name, facts)


def find_integer(schema: Schema, name: str, facts: Facts) -> Iterator[int]:
    """The same, without fractions."""
    found = find_number(schema, name, facts)
    return (int(one) for one in found if one == int(one))


def as_numbers(value: Any) -> Iterator[float]:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        yield value
    if isinstance(value, str):
        yield from kinds.money_in(value)
        yield from kinds.numbers_in(value)


def find_text(schema: Schema, name: str, facts: Facts) -> Iterator[str]:
    """By name, by format, hint or pattern, and at last as prose."""
    said, pattern = schema.get("description", ""), schema.get("pattern")
    if label := label_form(said):
        yield from find_label(label, name, facts)
        return
    form = FORMATS.get(schema.get("format", "date" if DATED.search(said) else ""))
    seek = form[0] if form else None if WHOLE.search(said) else hinted(name)
    for value in texts(facts.named(name)):
        yield from seek(value) if seek else (value,)
    if not form:
        yield from texts(facts.exactly(name))
    if seek:
        yield from near_name(seek, name, facts)
    if seek and (form or seek in TELLING_HINTS) and not schema.get("nullable"):
        yield from seek(facts.text)
    if pattern:
        yield from matching(pattern, facts.text)
    elif not seek:
        yield from as_prose(schema, name, facts)


def label_form(description: str) -> str:
    """A pattern for labels of which the description gives an example, if it does."""
    found = SUCH_AS.search(description)
    # A mere word or number is an example of a value, but not of its form.
    if not found or found[1].isdigit() or not re.search(r"\d", found[1]):
        return ""
    return re.sub(r"[A-Z]+|[a-z]+|\d+|\W", shape, found[1])


def shape(run: re.Match[str]) -> str:
    if run[0].isdigit():
        return r"\d+"
    if run[0].isalpha():
        return "[A-Z]+" if run[0].isupper() else "[a-z]+"
    return re.escape(run[0])


def find_label(form: str, name: str, facts: Facts) -> Iterator[str]:
    """A value by this name, the label of the rule that fits, or one near the name."""
    yield from (one for one in texts(facts.named(name)) if re.fullmatch(form, one))
    yield from texts(facts.exactly(name))
    if rule := facts.case.rule(form):
        yield rule.label
    elif not facts.case.policy.has(form):
        alone = re.compile(rf"(?<!\w){form}(?!\w)")
        yield from near_name(alone.findall, name, facts)


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
    if name_terms(name) & REASON_WORDS:
        yield from reasons(facts.case.story(), facts.case.rule())
    lines = facts.telling(
        f"{name} {schema.get('description', '')}", of_question=is_prose(name)
    )
    if schema.get("nullable"):
        lines = [line for line in lines if name_terms(name) <= name_terms(line)]
    if lines and is_prose(name):
        yield " ".join(lines[:2])
    yield from lines[:2]


def reasons(story: list[str], rule: Rule | None) -> Iterator[str]:
    """What happened, and the rule that covers it."""
    told = f"\u201c{' '.join(story)}\u201d" if story else ""
    ruled = f"Rule {rule.label}".strip() + f": \u201c{rule.text}\u201d" if rule else ""
    if story or rule:
        yield f"{told} {ruled}".strip()


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
