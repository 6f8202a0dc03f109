"""The rules that come with a letter: which of them fits, and what it says to a writer.

A policy speaks to the one who answers ("say that ...", "ask the customer to ..."), so
its sentences are turned round before they go into a letter, and those that only tell
how to write are left out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from .words import rarities, sentences, squeeze, terms

BULLET = re.compile(r"^[\s*\u2022-]+")
LABEL = r"(?:[^\W\d_]{0,3}|\u00a7) ?\d[\d.]*?"
LABELLED = re.compile(rf"({LABEL})[.:)]\s+(\S.*)", re.DOTALL)
RULE_END = re.compile(rf"\n[ \t]*\n|\n(?=[ \t*\u2022-]*{LABEL}[.:)]\s)")
TOPIC = re.compile(r"^([^.:;,]{3,40}): (?=\S)")
# Words for the same matter; the first stands for the rest.
SAME_MATTER = (
    "broken broke break crack cracked damage damaged smashed",
    "pay paid payment charge charged",
    "twice double surplus",
    "lost missing",
    "late delayed behind",
    "send sent sending",
    "buy bought purchase",
    "cost price",
    "deliver delivered delivery",
    "guarantee warranty",
    "mind thoughts",
)
STANDS_FOR = {
    term: sorted(terms(line.split()[0]))[0]
    for line in SAME_MATTER
    for term in terms(line)
}
# Words of any letter tell nothing about one.
OF_ANY_LETTER = terms(
    "letter order customer day dear write thing know here one two say"
)

ORDERS = (
    "add|answer|apologise|ask|avoid|begin|check|do|explain|give|keep|mention|name|never|"
    "no|offer|promise|quote|repeat|reply|say|sign|tell|use|write"
)
ORDER = re.compile(rf"(?:^|[,:]\s+)(?:{ORDERS})\b", re.IGNORECASE)
# What the house may do without being asked is not to be promised.
AT_WILL = re.compile(r"\b(?:may|might|can|could) (?:also )?be (?:given|offered)\b")
STATING = re.compile(
    r"\b(?:we|please|a colleague|is|are|can|cannot|may|must|will|needs?|do|does|has|"
    r"have|takes?|counts?|covers?|costs?|pays?|goes|go)\b",
    re.IGNORECASE,
)
TURNS = (
    (re.compile(r"\bsay that (?=\w)", re.IGNORECASE), ""),
    (re.compile(r"\bask (?:the customer|them) to\b", re.IGNORECASE), "please"),
    (re.compile(r"\bask for\b", re.IGNORECASE), "please send us"),
)
CUSTOMER = re.compile(r"\b[Tt]he customer((?: then| \w+ly)?) (\w+)")
VERBS = {"is": "are", "has": "have", "does": "do", "was": "were"}
SUBJECT = re.compile(r"^(?:The|An?|Our|Every) \w+")
NOT_KNOWN = re.compile(r"\b(?:not know|finds? (?:it |this )?out)\b", re.IGNORECASE)
NOT_KNOWING = re.compile(r"^[^,]*\bnot know\b[^,]*, ")
SIGNATURE = re.compile(r"\bSign(?: as)?:?\s+(\S[^\n]*?)\.?\s*$", re.MULTILINE)
MOST_SENTENCES = 2
MOST_OF_STORY = 3
MUCH = 5  # what was chosen counts for more than a word of the letter


@dataclass(frozen=True)
class Rule:
    """One rule and the label before it, if it has one."""

    label: str
    text: str

    @cached_property
    def about(self) -> frozenset[str]:
        return matter(self.text)

    @cached_property
    def topic(self) -> frozenset[str]:
        """What it is about, where it begins by saying so."""
        found = TOPIC.match(self.text)
        return matter(found[1]) if found and not ORDER.match(found[1]) else frozenset()

    @cached_property
    def said(self) -> tuple[str, ...]:
        """What it says, turned to the one who is answered."""
        return tuple(told(self.text))


@dataclass(frozen=True)
class Policy:
    """A house's rules."""

    text: str

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        return tuple(rules_in(self.text))

    @cached_property
    def signature(self) -> str:
        """Who signs, if it says so."""
        found = SIGNATURE.search(self.text)
        return found[1] if found else ""

    @cached_property
    def when_unknown(self) -> str:
        """What happens about what nobody knows yet, if it says so."""
        lines = (line for rule in self.rules for line in rule.said)
        found = next((line for line in lines if NOT_KNOWN.search(line)), "")
        return NOT_KNOWING.sub("", found)

    def has(self, label: str) -> bool:
        """Whether any rule is labelled like this."""
        return any(re.fullmatch(label, rule.label) for rule in self.rules)

    def fitting(self, about: Counter[str], label: str = "") -> Rule | None:
        """The rule, labelled like this, that fits a matter best; None if none does."""
        rules = [rule for rule in self.rules if re.fullmatch(label or ".*", rule.label)]
        weights = rarities([rule.about for rule in rules])
        fit = {
            rule: sum(weights[one] * about[one] for one in rule.about) for rule in rules
        }
        best = max(rules, key=lambda rule: fit[rule], default=None)
        return best if best and fit[best] else None

    def answer(self, question: str) -> list[str]:
        """The sentences, of one rule, that fit a question best."""
        asked = matter(question)
        lines = {line: matter(line) for rule in self.rules for line in rule.said}
        weights = rarities(lines.values())
        fits = {
            line: sum(weights[one] for one in lines[line] & asked)
            + len(rule.topic & asked) / 4
            for rule in self.rules
            for line in rule.said
        }
        best = max(fits, key=lambda line: fits[line], default="")
        said = next((rule.said for rule in self.rules if best in rule.said), ())
        chosen = sorted(said, key=lambda line: -fits[line])[:MOST_SENTENCES]
        return [line for line in said if line in chosen and fits[line]]


@dataclass
class Case:
    """What is decided on: the letter, the rules, and what was chosen so far."""

    letter: str = ""
    policy: Policy = Policy("")
    choices: list[str] = field(default_factory=list)

    @cached_property
    def lines(self) -> dict[str, frozenset[str]]:
        """The sentences of the letter, each with what it is about."""
        return {line: matter(line) for line in sentences(self.letter)}

    def rule(self, label: str = "") -> Rule | None:
        """The rule, with such a label, that covers the case; None if there is none."""
        about = Counter(set().union(*self.lines.values()))
        about.update({term: MUCH for one in self.choices for term in matter(one)})
        return self.policy.fitting(about, label)

    def story(self) -> list[str]:
        """The few sentences of the letter that bear out what was chosen, in order."""
        chosen = matter(" ".join(self.choices))
        rule = self.rule()
        ruled = rule.about if rule else frozenset()
        fits = {
            line: MUCH * len(chosen & about) + len(ruled & about)
            for line, about in self.lines.items()
        }
        best = sorted(fits, key=lambda line: fits[line], reverse=True)[:MOST_OF_STORY]
        return [line for line in fits if line in best and fits[line]]


def rules_in(text: str) -> Iterator[Rule]:
    """The labelled paragraphs of a text; its sentences, where there are none."""
    labelled = False
    for paragraph in RULE_END.split(text):
        if found := LABELLED.match(BULLET.sub("", paragraph)):
            labelled = True
            yield Rule(found[1], squeeze(found[2]))
    if not labelled:
        yield from (Rule("", BULLET.sub("", line)) for line in sentences(text))


def told(rule: str) -> Iterator[str]:
    """The sentences of a rule that are fit to be said to a customer."""
    subject = ""
    for sentence in sentences(rule):
        if not subject and (found := SUBJECT.match(sentence)):
            subject = found[0]
        clauses = [turned(clause) for clause in TOPIC.sub("", sentence).split("; ")]
        said = "; ".join(clause for clause in clauses if clause)
        if said:
            said = re.sub("^It ", f"{subject or 'It'} ", said)
            yield said[0].upper() + said[1:].rstrip(".") + "."


def turned(clause: str) -> str:
    """The clause as it would be said to the customer; empty if it is not for them."""
    for pattern, instead in TURNS:
        clause = pattern.sub(instead, clause)
    clause = CUSTOMER.sub(lambda found: f"you{found[1]} {plural(found[2])}", clause)
    fit = STATING.search(clause) and not ORDER.search(clause)
    return clause if fit and not AT_WILL.search(clause) else ""


def plural(verb: str) -> str:
    """The verb as it stands after "you"."""
    if verb.endswith(("sses", "ches", "shes", "goes")):
        return verb[:-2]
    return VERBS.get(verb) or verb.removesuffix("s")


def matter(text: str) -> frozenset[str]:
    """What a text of this kind is about."""
    found = {STANDS_FOR.get(term, term) for term in terms(text)}
    return frozenset(found - OF_ANY_LETTER)
