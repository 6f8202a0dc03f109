"""Words and sentences: what answers are cut from."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable

WORD = re.compile(r"[^\W_]+(?:[.,]\d+)*")
HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
SPACE = re.compile(r"\s+")
SENTENCE_END = re.compile(
    r"(?<=[.!?])[\"”\u2019')\]]*\s+(?=[\"“\u2018'(\[]*[A-Z0-9À-Þ])"
    r"|(?<=[。\uff01\uff1f])|\n\s*\n|\n(?=\s*(?:[-*•#|]|\d+[.)])\s)"
)
ABBREVIATION = re.compile(
    r"(?:(?<![\w/])[A-Z]|\b(?:approx|ca|cf|Dr|e\.g|etc|Fig|i\.e|Inc|Ltd|Mr|Mrs|Ms|No|Nos|Prof|"
    r"St|vs))\.$"
)
# Words that say nothing about a subject, nor do those with which one asks.
SAYING_NOTHING = """
    a about after all already also always an and another any are as at be because been
    before between both but by can could did do does during each enough for from had has
    have he her his how i if in instead into is it its may me more most must my no nor
    not of often on only or other otherwise our out over per perhaps quite rather really
    shall she should since so some something such than that the their them then there
    these they this those through to towards under until up us usually was we were what
    when where whether which while who whom whose why will with within without would you
    your
    affect affected answer based brief changed cite compare compared describe explain
    find given happen happened list please question report research source sources
    summarise summarize summary task tell using write
"""
STOP = frozenset(SAYING_NOTHING.split())
ENDINGS = (
    ("ies", "y"),
    ("ings", ""),
    ("ing", ""),
    ("ed", ""),
    ("es", ""),
    ("s", ""),
    ("ly", ""),
)


def stem(word: str) -> str:
    """A word without its ending, roughly."""
    for ending, instead in ENDINGS:
        kept = word.removesuffix(ending)
        if kept != word and len(kept) >= 3 and not word.endswith("ss"):
            word = kept + instead
            break
    return word.rstrip("e") if len(word) > 4 else word


def words(text: str) -> list[str]:
    """The words of a text in lower case; those of an identifier too."""
    return WORD.findall(HUMP.sub(" ", text).lower())


def is_telling(word: str) -> bool:
    """Whether a word says something about a subject."""
    return word not in STOP and (len(word) > 2 or word[0].isdigit())


def terms(text: str) -> set[str]:
    """What a text is about: the stems of its telling words."""
    return {stem(word) for word in words(text) if is_telling(word)}


def rarities(abouts: Iterable[Collection[str]]) -> dict[str, float]:
    """What it tells that a term occurs: the rarer, the more."""
    spread = Counter(term for about in abouts for term in about)
    return {term: 1 / count for term, count in spread.items()}


def squeeze(text: str) -> str:
    """The text on one line."""
    return SPACE.sub(" ", text).strip()


def sentences(text: str) -> list[str]:
    """The sentences of a text, each on one line."""
    found: list[str] = []
    for piece in split_keeping_quotes(text):
        if found and ABBREVIATION.search(found[-1]):
            found[-1] += " " + piece
        else:
            found.append(piece)
    return found


def split_keeping_quotes(text: str) -> list[str]:
    pieces, start = [], 0
    for end in SENTENCE_END.finditer(text):
        closing = end.end() - len(end.group().lstrip("\"”\u2019')]"))
        pieces.append(text[start:closing])
        start = end.end()
    pieces.append(text[start:])
    return [line for piece in pieces if (line := squeeze(piece))]
