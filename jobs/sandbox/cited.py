"""A researched answer: searches, claims with their sources, and what is missing."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from .claims import Claim, contradict_one, pick_claims
from .items import Item, message, open_page, reasoning, search
from .prompts import Document, Prompt
from .words import WORD, is_telling, stem, terms, words

MOST_THEMES = 3
BREAK = re.compile(r"[^\w\s'\u2019-]")


class Passage:
    """Markdown as it is written, and the citations in it."""

    def __init__(self) -> None:
        self.text = ""
        self.annotations: list[dict[str, Any]] = []

    def write(self, text: str) -> None:
        self.text += text

    def head(self, title: str) -> None:
        self.text = f"{self.text.rstrip()}\n\n## {title}\n\n"

    def claim(self, claim: Claim) -> None:
        """Write a claim with the link to its source."""
        self.write(claim.text + " ")
        start = len(self.text)
        self.write(link_to(claim.document))
        self.annotations.append(
            {
                "type": "url_citation",
                "start_index": start,
                "end_index": len(self.text),
                "url": claim.document.url,
                "title": claim.document.title,
            }
        )
        self.write(" ")


def link_to(document: Document) -> str:
    # What would end the link early is taken out of it; the annotation keeps all.
    title = re.sub(r"[\[\]()]", "", document.title)
    return f"([{title}]({quote(document.url, safe=':/?#@!$&*+,;=%~-._')}))"


def write_cited(prompt: Prompt) -> list[Item]:
    """An answer that its sources bear out."""
    return research(prompt, pick_claims(prompt))


def write_unsupported(prompt: Prompt) -> list[Item]:
    """The same, but for one claim that contradicts the source it names."""
    return research(prompt, contradict_one(pick_claims(prompt)))


def research(prompt: Prompt, claims: list[Claim]) -> list[Item]:
    """The steps of the work, and the answer."""
    queries, urls = make_queries(prompt.question), [d.url for d in prompt.documents]
    calls = [search(queries[:1], urls)]
    if claims:
        calls.append(open_page(claims[0].document.url))
    if queries[1:]:
        calls.append(search(queries[1:], urls))
    passage = write_passage(prompt, claims)
    return [
        reasoning(f"**Planning**\n\nThe question is: {prompt.question}"),
        *calls[: prompt.max_tool_calls],
        reasoning(
            f"**Weighing the sources**\n\n{len(urls)} read, {len(claims)} statements "
            "bear on the question."
        ),
        message(passage.text, passage.annotations),
    ]


def make_queries(question: str) -> list[str]:
    """What one would type into a search box, the widest first."""
    telling = " ".join(word for word in words(question) if is_telling(word))
    narrower = sorted(phrases(question), key=len, reverse=True)
    queries = [" ".join(telling.split()[:8]), *narrower[:2]]
    return list(dict.fromkeys(query.lower() for query in queries if query)) or ["?"]


def phrases(question: str) -> list[str]:
    """The runs of telling words in a question, as it spells them."""
    runs: list[list[str]] = [[]]
    for word in BREAK.sub(" . ", question).split():
        if WORD.search(word) and is_telling(word.lower()):
            runs[-1].append(word)
        else:
            runs.append([])
    return [" ".join(run[:4]) for run in runs if run]


def write_passage(prompt: Prompt, claims: list[Claim]) -> Passage:
    passage = Passage()
    if not claims:
        passage.write(nothing_found(prompt))
        return passage
    passage.claim(claims[0])
    for title, group in themes(prompt.question, claims[1:]):
        passage.head(title)
        for claim in group:
            passage.claim(claim)
    passage.head("What the sources do not say")
    passage.write(gaps(prompt, claims))
    return passage


def nothing_found(prompt: Prompt) -> str:
    found = (
        "None of the sources read" if prompt.documents else "No source was found that"
    )
    return (
        f"{found} bears on the question: {prompt.question}\n\n"
        "Nothing can be said here that a source would support."
    )


def themes(question: str, claims: list[Claim]) -> list[tuple[str, list[Claim]]]:
    """The claims under a few headings, taken from the words of the question."""
    groups: list[tuple[str, list[Claim]]] = []
    left = list(claims)
    for phrase in sorted(phrases(question), key=lambda one: unevenness(one, claims)):
        about = terms(phrase)
        group = [claim for claim in left if claim.about & about]
        if group and len(groups) < MOST_THEMES - 1:
            groups.append((phrase[:1].upper() + phrase[1:], group))
            left = [claim for claim in left if claim not in group]
    if left:
        groups.append(("Further points" if groups else "Findings", left))
    return groups


def unevenness(phrase: str, claims: list[Claim]) -> float:
    about = terms(phrase)
    return abs(sum(bool(claim.about & about) for claim in claims) - len(claims) / 2)


def gaps(prompt: Prompt, claims: list[Claim]) -> str:
    """What was asked and is answered nowhere, and what was read in vain."""
    said = {term for doc in prompt.documents for term in terms(doc.text + doc.title)}
    asked = [word for word in words(prompt.question) if is_telling(word)]
    unsaid = list(dict.fromkeys(word for word in asked if stem(word) not in said))
    cited = {claim.document.url for claim in claims}
    uncited = [doc.title for doc in prompt.documents if doc.url not in cited]
    lines = []
    if unsaid:
        lines.append(f"No source mentions: {', '.join(unsaid)}.")
    if uncited:
        lines.append(f"Read, but not cited: {'; '.join(uncited)}.")
    return " ".join(lines) or (
        "Each statement above rests on the one source named beside it; whether it "
        "holds beyond that is open."
    )
