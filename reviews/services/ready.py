"""Whether a result may be approved: its checks and the verdicts on its citations."""

from collections import defaultdict
from collections.abc import Iterator

from jobs.lifecycle import MoveRefused
from reviews.models import CitationVerdict, Review

NAMED = 12  # citations: more would not be read
OPEN = ("has no verdict", "have no verdict")
FAILED = ("does not support its passage", "do not support their passages")


class NotReady(MoveRefused):
    """Something is still to be checked, or did not pass; nothing was changed."""


def require_ready(review: Review) -> None:
    """NotReady, naming all that is open or failed."""
    if missing := what_is_missing(review):
        raise NotReady(f"It cannot be approved yet: {'; '.join(missing)}.")


def what_is_missing(review: Review) -> list[str]:
    """What is open or failed, in words; empty when it may be approved."""
    return [*_checks(review), *(_citations(review))]


def _checks(review: Review) -> Iterator[str]:
    for check in review.checks.exclude(passed=True):
        if check.passed is None:
            yield f"the check “{check.name}” is open"
        else:
            yield f"the check “{check.name}” failed"


def _citations(review: Review) -> Iterator[str]:
    if not review.terms.checks_citations:
        return
    found = defaultdict(set)
    for citation, verdict in review.verdicts.values_list("citation", "verdict"):
        found[citation].add(verdict)
    of = dict(review.result.citations.values_list("pk", "position"))
    no = CitationVerdict.Verdict.DOES_NOT_SUPPORT
    yield from _said([n for pk, n in of.items() if not found[pk]], *OPEN)
    yield from _said([n for pk, n in of.items() if no in found[pk]], *FAILED)


def _said(positions: list[int], one: str, several: str) -> Iterator[str]:
    """As in "citations 2, 5 have no verdict"."""
    listed = ", ".join(map(str, sorted(positions)[:NAMED]))
    if more := len(positions[NAMED:]):
        listed += f" and {more} more"
    if len(positions) == 1:
        yield f"citation {listed} {one}"
    elif positions:
        yield f"citations {listed} {several}"
