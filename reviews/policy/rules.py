"""Rules that check a result by themselves: pure functions, registered by name.

An app of your own registers more of them, in a module that it imports when ready:

    @rule("short-enough")
    def short_enough(answer: Answer) -> Finding:
        return Finding(len(answer.text) < 5_000, "It has 5,000 characters or more.")
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

PLACEHOLDER = re.compile(
    r"\bTODO\b|\bTBD\b|\blorem ipsum\b|\[(?:insert|your|name|date)\b[^\]]*\]",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Source:
    """One citation: the passage it stands at, and what it says that passage is."""

    position: int
    start: int
    end: int
    quote: str
    is_detached: bool


@dataclass(frozen=True)
class Answer:
    """What a rule looks at."""

    content: Any
    sources: tuple[Source, ...]

    @property
    def text(self) -> str:
        """The content as text; of a structured one, as JSON."""
        if isinstance(self.content, str):
            return self.content
        return json.dumps(self.content, ensure_ascii=False)


@dataclass(frozen=True)
class Finding:
    """Whether the answer passes; `why` is said when it does not."""

    passed: bool
    why: str = ""


Rule = Callable[[Answer], Finding]
_rules: dict[str, Rule] = {}


def rule(name: str) -> Callable[[Rule], Rule]:
    """Register a rule under a name that policies can give."""

    def register(function: Rule) -> Rule:
        _rules[name] = function
        return function

    return register


def known_rules() -> list[str]:
    return sorted(_rules)


def question_of(name: str) -> str:
    """What a rule is about: the first line of what it says of itself."""
    said = (_rules[name].__doc__ or "" if name in _rules else "").strip()
    return said.split("\n")[0] or name


def judge(name: str, answer: Answer) -> Finding:
    """What this rule finds; one that is gone, or breaks, does not pass."""
    if name not in _rules:
        return Finding(False, f"No rule is called {name} any more.")
    try:
        return _rules[name](answer)
    except Exception as error:  # somebody else's code: it must not stop the review
        return Finding(False, f"The rule broke: {type(error).__name__}.")


@rule("cites-sources")
def _cites_sources(answer: Answer) -> Finding:
    """It cites at least one source."""
    return Finding(bool(answer.sources), "It cites no source.")


@rule("quotes-stand")
def _quotes_stand(answer: Answer) -> Finding:
    """Each citation still stands at the passage that it was made for."""
    loose = [s.position for s in answer.sources if not _stands(s, answer.text)]
    listed = ", ".join(map(str, loose))
    return Finding(not loose, f"No longer at their passages: citations {listed}.")


def _stands(source: Source, text: str) -> bool:
    passage = text[source.start : source.end]
    return not source.is_detached and (not source.quote or source.quote == passage)


@rule("no-placeholders")
def _no_placeholders(answer: Answer) -> Finding:
    """Nothing in it is still to be filled in."""
    found = PLACEHOLDER.search(answer.text)
    return Finding(not found, f"It says “{found[0]}”." if found else "")
