"""What a review page shows beside the result: citations, steps, other sources."""

import re
from typing import Any

from jobs.models import Citation, EvidenceTrace
from jobs.services.rendered import html_of
from reviews.models import CitationVerdict, Review

MARKED = re.compile(r' id="passage-(\d+)"')  # of jobs.rendering.passages
Verdict = CitationVerdict.Verdict
WORDS = {  # on the buttons of a citation, in the order of their keys
    Verdict.SUPPORTS: "Supports",
    Verdict.DOES_NOT_SUPPORT: "Does not",
    Verdict.CANNOT_TELL: "Cannot tell",
}


def evidence_of(review: Review, person: Any) -> dict[str, Any]:
    """Citations, the steps behind the answer, and sources it looked at in vain."""
    citations = list(review.result.citations.order_by("position"))
    traces = _traces_of(review)
    return {
        "cited": _rows(review, citations, traces, person),
        "traces": traces,
        "uncited": uncited(citations, traces),
    }


def row_of(review: Review, citation: Citation, person: Any) -> dict[str, Any]:
    """One citation, as it stands among the others."""
    (row,) = _rows(review, [citation], _traces_of(review), person)
    return row


def uncited(
    citations: list[Citation], traces: list[EvidenceTrace]
) -> list[dict[str, Any]]:
    """Sources the steps report and no citation names, each once, in order."""
    told = {citation.url or citation.file for citation in citations}
    found = []
    for source in (source for trace in traces for source in trace.sources):
        key = _key(source)
        if key not in told:
            told.add(key)
            found.append(source)
    return found


def _rows(
    review: Review, citations: list[Citation], traces: list[EvidenceTrace], person: Any
) -> list[dict[str, Any]]:
    """Each with its passage, what its source says, and what was found of it."""
    marked = set(MARKED.findall(html_of(review.result)))
    snippets = {
        _key(source): source["snippet"]
        for trace in traces
        for source in trace.sources
        if source.get("snippet")
    }
    found: dict[int, list[CitationVerdict]] = {}
    for verdict in review.verdicts.select_related("by"):
        found.setdefault(verdict.citation_id, []).append(verdict)
    return [
        {
            "citation": citation,
            "is_marked": str(citation.position) in marked,
            "snippet": snippets.get(citation.url or citation.file, ""),
            **_findings(found.get(citation.pk, []), person),
        }
        for citation in citations
    ]


def _findings(verdicts: list[CitationVerdict], person: Any) -> dict[str, Any]:
    mine = next((v.verdict for v in verdicts if v.by_id == person.pk), "")
    buttons = [
        {"key": key, "value": value.value, "words": words, "pressed": value == mine}
        for key, (value, words) in enumerate(WORDS.items(), 1)
    ]
    return {"verdicts": verdicts, "buttons": buttons}


def _traces_of(review: Review) -> list[EvidenceTrace]:
    attempt = review.result.origin.attempt_id
    return list(EvidenceTrace.objects.filter(attempt=attempt))


def _key(source: dict[str, str]) -> str:
    return source.get("url") or source.get("file") or ""
