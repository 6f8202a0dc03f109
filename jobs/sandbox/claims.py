"""Choosing what the sources say on a question, and saying the contrary of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import sqrt

from .prompts import Document, Prompt
from .words import sentences, terms

MOST = 7
MOST_PER_DOCUMENT = 3
MOST_SENTENCES = 300  # read of one document
LONG = 260

OPENING = re.compile(
    r"^(?:However|Moreover|Furthermore|In addition|Additionally|Also|Meanwhile|"
    r"Nevertheless|Therefore|Thus|Indeed|In fact|In short|On the other hand|"
    r"For example|For instance|Update|Note)[,:]?\s+"
)
POINTING = re.compile(
    r"^(?:It|They|He|She|This|That|These|Those|Such|But|And|So|Hence|Instead|Because|"
    r"Other|Another|In (?:this|that|such))\b"
)
# Where a text leaves something out; in mid sentence it stays, or the words would not be
# the source's.
LEFT_OUT = re.compile(r"\[(?:\.{3}|\u2026)\](?=[ \t]*(?:\n|\Z)|\s[A-Z\u201c\"(-])")
STATEMENT_END = re.compile(r"[.!]['\"\u2019\u201d)\]]*$")
ASIDE = re.compile(r"\s+\([^()]*\)")
NUMBER = re.compile(r"(?<![\w.,])\d+(?:[.,]\d+)*")
NEGATION = re.compile(r"\b(is|are|was|were|has|have|can|will|may|must|should|did) not ")
AUXILIARY = re.compile(r"\b(is|are|was|were|has|have|can|will|may|must|should|did) ")


@dataclass(frozen=True)
class Claim:
    """One thing that a source says."""

    text: str
    document: Document
    about: frozenset[str]


def pick_claims(prompt: Prompt) -> list[Claim]:
    """The sentences of the sources that best fit the question, best first."""
    asked, around = terms(prompt.question), terms(prompt.background)
    claims = [claim for doc in prompt.documents for claim in claims_of(doc)]
    spread = Counter(term for claim in claims for term in claim.about & around)
    weight = {
        term: (1 if term in asked else 0.5) / sqrt(1 + count)
        for term, count in spread.items()
    }

    def fitness(claim: Claim) -> float:
        fit = sum(weight[term] for term in claim.about & around)
        numbers = 0.2 if NUMBER.search(claim.text) else 0
        return (fit + numbers) * (0.4 if POINTING.match(claim.text) else 1)

    return list(choose(sorted(claims, key=fitness, reverse=True), asked))


def claims_of(document: Document) -> Iterator[Claim]:
    text = LEFT_OUT.sub("\n\n", document.text)
    for sentence in sentences(text)[:MOST_SENTENCES]:
        # Headings, questions and what only leads to a list state nothing.
        if len(sentence.split()) > 3 and STATEMENT_END.search(sentence):
            text = shorten(sentence)
            yield Claim(text, document, frozenset(terms(text)))


def choose(ranked: list[Claim], asked: set[str]) -> Iterator[Claim]:
    """The first few that fit, differ from each other and share out the sources."""
    chosen: list[Claim] = []
    for claim in ranked:
        of_this = sum(one.document is claim.document for one in chosen)
        fits = claim.about & asked or not (chosen and chosen[0].about & asked)
        alike = any(overlap(claim.about, one.about) > 0.7 for one in chosen)
        if fits and not alike and of_this < MOST_PER_DOCUMENT and len(chosen) < MOST:
            chosen.append(claim)
            yield claim


def overlap(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / (len(one | other) or 1)


def shorten(sentence: str) -> str:
    """The sentence without its first connective and, when long, its asides."""
    text = OPENING.sub("", sentence.lstrip("#-*•>| "))
    text = ASIDE.sub("", text) if len(text) > LONG else text
    if len(text) > LONG and "; " in text:
        text = text.split("; ")[0] + "."
    return text[:1].upper() + text[1:]


def contradict_one(claims: list[Claim]) -> list[Claim]:
    """The same claims, but one says what its source does not."""
    # Past the first one, where a hasty reader no longer looks.
    order = sorted(range(len(claims)), key=lambda place: (place == 0, place))
    counted = [place for place in order if NUMBER.search(claims[place].text)]
    for place in [*counted, *order][:1]:
        wrong = replace(claims[place], text=contradict(claims[place]))
        return [*claims[:place], wrong, *claims[place + 1 :]]
    return claims


def contradict(claim: Claim) -> str:
    """The claim with a number changed, or else with a "not" added or left out."""
    text, source = claim.text, claim.document.text
    if found := NUMBER.search(text):
        other = other_number(found[0], source)
        return text[: found.start()] + other + text[found.end() :]
    if NEGATION.search(text):
        return NEGATION.sub(r"\1 ", text, count=1)
    if AUXILIARY.search(text):
        return AUXILIARY.sub(r"\1 not ", text, count=1)
    return f"It is not so that {text[0].lower()}{text[1:]}"


def other_number(number: str, source: str) -> str:
    """A number of the same look that the source does not mention."""
    # A year is changed at its end, anything else at its head.
    place = 3 if re.fullmatch(r"(19|20)\d\d", number) else 0
    digits = [digit for digit in "5739246810" if digit != number[place]]
    others = [number[:place] + digit + number[place + 1 :] for digit in digits]
    unseen = [one for one in others if one not in source and not one.startswith("0")]
    return (unseen or others)[0]
