"""A researched answer: searches, claims with their sources, and what is missing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from .claims import Claim, contradict_one, pick_claims
from .items import Item, message, open_page, reasoning, search
from .prompts import Document, Prompt
from .words import WORD, is_telling, rarities, stem, terms, words

FURTHER = "Further points"
BEGINNING = 200  # characters
LONG_TERM = 7  # letters; of shorter words one cannot be sure that they are missed
BREAK = re.compile(r"[^\w\s'\u2019-]")
MARKUP = re.compile(r"([\\`*_\[\]<>])")
ASIDE = re.compile(r"\s+\([^()]*\)$")
# Where one question ends and the next begins.
PARTS = re.compile(
    r"\?\s+|,?\s+and\s+(?=(?:(?:at|by|for|from|in|on|to|with)\s+)?(?:are|can|could|did|do|"
    r"does|how|is|may|must|should|was|were|what|when|where|which|who|why|will|would)\b)"
    r"|,\s+(?=(?:are|can|could|does|how|is|must|should|what|why)\b)",
    re.IGNORECASE,
)


class Passage:
    """Markdown as it is written, and the citations in it."""

    def __init__(self) -> None:
        self.text = ""
        self.annotations: list[dict[str, Any]] = []

    def write(self, text: str) -> None:
        self.text += text

    def head(self, title: str) -> None:
        self.text = f"{self.text.rstrip()}\n\n## {escape(title)}\n\n"

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
    url = quote(document.url, safe=":/?#@!$&*+,;=%~-._")
    return f"([{escape(document.title)}]({url}))"


def escape(text: str) -> str:
    """The text, with nothing in it that Markdown would take for its own."""
    return MARKUP.sub(r"\\\1", text)


def write_cited(prompt: Prompt) -> list[Item]:
    """An answer that its sources bear out."""
    return research(prompt, pick_claims(prompt))


def write_unsupported(prompt: Prompt) -> list[Item]:
    """The same, but for one claim that contradicts the source it names."""
    return research(prompt, contradict_one(pick_claims(prompt)))


def research(prompt: Prompt, claims: list[Claim]) -> list[Item]:
    """The steps of the work, and the answer."""
    queries, found = make_queries(prompt.question), what_is_found(prompt)
    calls = [search(queries[:1], found)]
    if claims:
        calls.append(open_page(claims[0].document.url))
    if queries[1:]:
        calls.append(search(queries[1:], found))
    passage = write_passage(prompt, claims)
    return [
        reasoning(f"**Planning**\n\nThe question is: {prompt.question}"),
        *calls[: prompt.max_tool_calls],
        reasoning(
            f"**Weighing the sources**\n\n{len(found)} read, {len(claims)} statements "
            "bear on the question."
        ),
        message(passage.text, passage.annotations),
    ]


def what_is_found(prompt: Prompt) -> dict[str, str]:
    """Of each source, the sentences that bear on the question, or how it begins."""
    said: dict[str, list[str]] = {}
    for claim in pick_claims(prompt):
        said.setdefault(claim.document.url, []).append(claim.text)
    return {
        document.url: " … ".join(said.get(document.url, [document.text[:BEGINNING]]))
        for document in prompt.documents
    }


def make_queries(question: str) -> list[str]:
    """What one would type into a search box, the widest first."""
    telling = dict.fromkeys(word for word in words(question) if is_telling(word))
    narrower = sorted(phrases(question), key=len, reverse=True)
    queries = [" ".join([*telling][:8]), *narrower[:2]]
    return list(dict.fromkeys(query.lower() for query in queries if query)) or ["?"]


def phrases(question: str) -> list[str]:
    """The runs of telling words in a question, as it spells them."""
    runs: list[list[str]] = [[]]
    for word in BREAK.sub(" . ", question).split():
        if WORD.search(word) and is_telling(word.lower()):
            runs[-1].append(word)
        else:
            runs.append([])
    return [" ".join(run[:4]) for run in runs if len(run) > 1]


def write_passage(prompt: Prompt, claims: list[Claim]) -> Passage:
    passage = Passage()
    if not claims:
        passage.write(nothing_found(prompt))
        return passage
    passage.claim(claims[0])
    for title, group in themes(prompt, claims[1:]):
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


def themes(prompt: Prompt, claims: list[Claim]) -> list[tuple[str, list[Claim]]]:
    """The claims under headings: what was asked, or else who says it."""
    parts = parts_of(prompt.question)
    if len(parts) > 1:
        return by_part(parts, claims)
    groups: dict[str, list[Claim]] = {}
    for claim in claims:
        groups.setdefault(plain_title(claim.document), []).append(claim)
    return [("Findings", claims)] if len(groups) == 1 else list(groups.items())


def by_part(parts: list[str], claims: list[Claim]) -> list[tuple[str, list[Claim]]]:
    """Each claim under the part of the question that it takes up most of."""
    groups: dict[str, list[Claim]] = {part: [] for part in [*parts, FURTHER]}
    weights = rarities(claim.about for claim in claims)
    for claim in claims:
        fits = {
            part: sum(weights[term] for term in terms(part) & claim.about)
            for part in parts
        }
        best = max(parts, key=lambda part: fits[part])
        groups[best if fits[best] else FURTHER].append(claim)
    return [(title, group) for title, group in groups.items() if group]


def parts_of(question: str) -> list[str]:
    """The questions in a question, each as a heading."""
    parts = [part.strip(" ?.,") for part in PARTS.split(question)]
    return [f"{part[0].upper()}{part[1:]}?" for part in parts if part]


def plain_title(document: Document) -> str:
    """The title of a source without the name of its collection."""
    return ASIDE.sub("", document.title) or document.title


def gaps(prompt: Prompt, claims: list[Claim]) -> str:
    """What was read in vain, and what was asked and is answered nowhere."""
    cited = {claim.document.url for claim in claims}
    uncited = [doc.title for doc in prompt.documents if doc.url not in cited]
    unsaid = ", ".join(f"\u201c{word}\u201d" for word in not_taken_up(prompt))
    lines = []
    if unsaid:
        lines.append(f"No source takes up {unsaid}.")
    if uncited:
        lines.append(f"Read, but not cited: {escape('; '.join(uncited))}.")
    return " ".join(lines) or (
        "Each statement above rests on the one source named beside it; whether it "
        "holds beyond that is open."
    )


def not_taken_up(prompt: Prompt) -> Iterator[str]:
    """The longer words of the question of which no source has even a form."""
    texts = (f"{doc.title}\n{doc.text}" for doc in prompt.documents)
    stems = {stem(word) for text in texts for word in words(text)}
    said = [one for one in stems if len(one) > 3]
    for word in dict.fromkeys(words(prompt.question)):
        root = stem(word)
        forms = (one for one in said if one.startswith(root) or root.startswith(one))
        if len(word) >= LONG_TERM and is_telling(word) and not any(forms):
            yield word
