"""What a prompt states, as names with values: where structured answers come from."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from .policy import Case, Policy
from .prompts import Prompt, objects_in
from .words import sentences, stem, words

LABEL = re.compile(
    r"^\W*([A-Za-zÀ-ÿ][\w /().#&'-]{0,40}?)\W{0,2}\s*[:=]\s*\**(\S.*?)\**$"
)
COLUMN = re.compile(r"\t|\s{3,}|\s\|\s")
# Words that mean the same on forms; the first stands for the rest.
SAME = (
    ("number", "no", "nr", "num", "id", "ref", "reference", "code"),
    ("customer", "client", "buyer", "bill"),
    ("supplier", "vendor", "seller"),
    ("total", "sum"),
    ("amount", "price", "cost", "fee"),
    ("quantity", "qty", "count"),
    ("email", "mail"),
    ("phone", "telephone", "tel", "mobile"),
    ("description", "item", "article", "product"),
)
STANDS_FOR = {stem(word): stem(group[0]) for group in SAME for word in group}
FILLERS = {"the", "of", "a", "is", "has", "was", "are", "in", "on", "to", "for", "and"}


@dataclass(frozen=True)
class Facts:
    """Names and values of a prompt or a part of it, and the text they stand in."""

    pairs: tuple[tuple[frozenset[str], Any], ...]
    text: str
    question: str = ""
    case: Case = field(default_factory=Case)

    @cached_property
    def lines(self) -> list[tuple[str, frozenset[str]]]:
        """The sentences of the text but for its rules, with what they speak of."""
        policy = self.case.policy.text
        told = self.text.replace(policy, "\n\n") if policy else self.text
        return [(line, name_terms(line)) for line in sentences(told)]

    def inside(self, one: dict[str, Any]) -> Facts:
        """What one JSON object states."""
        pairs = [pair for inner in objects_in(one) for pair in inner.items()]
        texts = "\n\n".join(value for _, value in pairs if is_text(value))
        stated = named_pairs([*pairs, *labels_in(texts)])
        return Facts(stated, texts, self.question, self.case)

    def named(self, name: str) -> Iterator[Any]:
        """The values whose name means this one or nearly so, the best first."""
        wanted, head = name_terms(name), name_terms(" ".join(words(name)[-1:]))
        scored = [
            (likeness(wanted, given), head <= given, v) for given, v in self.pairs
        ]
        ranked = sorted(scored, key=lambda one: one[:2], reverse=True)
        return (value for score, _, value in ranked if score >= 0.5)

    def telling(self, subject: str, *, of_question: bool) -> list[str]:
        """The sentences on a subject, or on the question too, the best first."""
        named, asked = name_terms(subject), name_terms(self.question)
        kept = [one for one in self.lines if len(one[1]) > 2 and self.states(one[0])]
        if of_question:
            return sorted_by(
                lambda about: (len(asked & about), len(named & about)), kept
            )
        kept = [(line, about) for line, about in kept if named & about]
        return sorted_by(lambda about: (len(named & about), len(asked & about)), kept)

    def states(self, line: str) -> bool:
        """Whether a line says something, instead of asking or naming it."""
        asks = bool(self.question) and self.question in line
        return line.rstrip("\"')").endswith((".", "!")) and not asks

    def exactly(self, name: str) -> Iterator[Any]:
        """The values whose name means just this one."""
        wanted = name_terms(name)
        return (value for given, value in self.pairs if given == wanted)


def sorted_by(
    fitness: Callable[[frozenset[str]], Any], lines: list[tuple[str, frozenset[str]]]
) -> list[str]:
    ranked = sorted(lines, key=lambda one: fitness(one[1]), reverse=True)
    return [line for line, _ in ranked]


def facts_of(prompt: Prompt) -> Facts:
    """Everything that the prompt states."""
    objects = [one for value in prompt.values for one in objects_in(value)]
    texts = [value for one in objects for value in one.values() if is_text(value)]
    text = "\n\n".join([*texts, prompt.prose])
    pairs = [pair for one in objects for pair in one.items()]
    pairs += zip(prompt.names, prompt.values, strict=True)
    letter = prompt.letter or prompt.prose.replace(prompt.policy, "")
    case = Case(letter, Policy(prompt.policy))
    stated = named_pairs([*pairs, *labels_in(text)])
    return Facts(stated, text, prompt.question, case)


def fact(name: str, value: Any) -> Facts:
    """A single value under its name."""
    return Facts(named_pairs([(name, value)]), "")


def named_pairs(
    pairs: list[tuple[str, Any]],
) -> tuple[tuple[frozenset[str], Any], ...]:
    return tuple((name_terms(name), value) for name, value in pairs)


def labels_in(text: str) -> Iterator[tuple[str, str]]:
    """The "Label: value" pairs of a text."""
    for line in text.splitlines():
        for column in COLUMN.split(line):
            if found := LABEL.match(column.strip()):
                yield found[1], found[2].strip()


def name_terms(name: str) -> frozenset[str]:
    """A name as the set of what it means, however it is spelt."""
    stems = [stem(word) for word in words(name.replace("_", " ").replace("e-m", "em"))]
    return frozenset(STANDS_FOR.get(one, one) for one in stems if one not in FILLERS)


def likeness(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / len(one | other) if one and other else 0


def is_text(value: Any) -> bool:
    return isinstance(value, str)
