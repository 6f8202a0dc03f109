"""A review of a very long answer: its page opens in time, by no more queries."""

import time
from typing import Any

from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobs.models import Citation, EvidenceTrace
from reviews.models import CitationVerdict, Review
from reviews.services.edit import edit_result
from tests.house import browser, seen, webhook, with_terms
from tests.test_review_page import path_of, rewrite

CLAIM = "Claim {n} of this brief is as long as one that somebody has written down."
FEW, MANY = (3, 2), (300, 200)  # citations and evidence steps


def with_evidence(review: Review, citations: int, steps: int) -> None:
    """A cited claim in each paragraph, with a verdict, and steps with sources."""
    for rows in (CitationVerdict, Citation, EvidenceTrace):
        rows.objects.all().delete()
    claims = [CLAIM.format(n=n) for n in range(citations)]
    text = "\n\n".join(claims)
    result = rewrite(review, text)
    rows = [
        Citation(
            result=result,
            position=n,
            start=text.index(claim),
            end=text.index(claim) + len(claim),
            quote=claim,
            title=f"Source {n}",
            url=f"https://source.example/{n}",
        )
        for n, claim in enumerate(claims, start=1)
    ]
    judged_by = review.job.requester
    CitationVerdict.objects.bulk_create(
        CitationVerdict(
            review=review,
            citation=row,
            by=judged_by,
            verdict="supports",
            at=review.opened_at,
        )
        for row in Citation.objects.bulk_create(rows)
    )
    consulted = [{"title": "Seen", "url": f"https://seen.example/{n}"} for n in "abcde"]
    EvidenceTrace.objects.bulk_create(
        EvidenceTrace(
            attempt=result.attempt,
            position=n,
            kind="web_search",
            label=f"Search {n}",
            text="Looked for more of it. " * 10,
            sources=consulted,
        )
        for n in range(steps)
    )


def test_300_citations_and_200_steps_open_within_a_second_by_no_more_queries(
    review, ann: User, django_assert_max_num_queries: Any
):
    webhook("https://desk.example/hook", review.job.version.job_type)
    with_terms(review, checks_citations=True, approvals=2)
    page = browser(ann)
    page.get(path_of(review))  # notes that she has seen it
    with_evidence(review, *FEW)
    with CaptureQueriesContext(connection) as few:
        page.get(path_of(review))
    with_evidence(review, *MANY)

    with django_assert_max_num_queries(len(few)):
        began = time.thread_time()
        html = page.get(path_of(review)).content.decode()
        took = time.thread_time() - began  # of this thread: others do not count

    assert f"https://source.example/{MANY[0]}" in html
    assert "Search 199" in html
    assert took < 1, f"{took:.2f} s"


def test_so_does_an_edited_one_with_its_diff(review, ann: User):
    with_terms(review, checks_citations=True)
    with_evidence(review, *MANY)
    text = review.result.content.replace("somebody", "nobody")
    edit_result(review, by=ann, content=text, base_seen=seen(review))
    page = browser(ann)

    began = time.thread_time()
    html = page.get(path_of(review)).content.decode()
    took = time.thread_time() - began

    assert "What the edit changed" in html
    assert took < 1, f"{took:.2f} s"
