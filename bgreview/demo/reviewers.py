"""Ann and Bob at the review desk, through the services that the pages call."""

import re
from collections.abc import Callable
from contextlib import suppress

from django.contrib.auth.models import User

from jobs.lifecycle import MoveRefused
from jobs.models import Result
from reviews.models import CitationVerdict, Review
from reviews.services.checks import do_check
from reviews.services.decide import approve, reject
from reviews.services.seen import what_is_seen
from reviews.services.verdicts import set_verdict

SUPPORTS = CitationVerdict.Verdict.SUPPORTS
NUMBER = re.compile(r"(?<![\w.,/-])\d+(?:[.,]\d+)*")
LINK = re.compile(r"\(\[[^\]]*\]\([^)]*\)\)")


def decide(key: str, public_id: str) -> None:
    """Decide on this job, unless a visitor was first."""
    review = Review.objects.open().filter(job__public_id=public_id).first()
    if review is None:
        return
    ann, bob = (User.objects.get(username=name) for name in ("ann", "bob"))
    why = objection(key, review.result)
    with suppress(MoveRefused):
        if why:
            reject(review, by=bob, seen=what_is_seen(review).digest, comment=why)
        else:
            _confirm(review, ann)
            approve(review, by=ann, seen=what_is_seen(review).digest)


def _confirm(review: Review, ann: User) -> None:
    """Each check and citation, one after the other: ann has read them."""
    for check in review.checks.filter(passed=None):
        do_check(check, passed=True, by=ann, seen=what_is_seen(review).digest)
        review.refresh_from_db()
    if not review.terms.checks_citations:
        return
    for citation in review.result.citations.all():
        seen = what_is_seen(review).digest
        set_verdict(review, citation, SUPPORTS, by=ann, seen=seen)
        review.refresh_from_db()


def objection(key: str, result: Result | None) -> str:
    """What a careful reader has against this result; empty: nothing."""
    check = OBJECTIONS.get(key)
    return check(result) if check and result else ""


def _declined(result: Result) -> str:
    return "The model declined, and rightly (policy 8). Answered by hand."


def _too_late(result: Result) -> str:
    return "43 days after it came instead of 30, and used: no refund (R1)."


def _unsupported(result: Result) -> str:
    """The first sentence with a number that none of its sources has."""
    sources = " ".join(source["text"] for source in result.job.input["sources"])
    for sentence in re.split(r"(?<=[.?!])\s+|\n+", LINK.sub("", str(result.content))):
        for number in NUMBER.findall(sentence):
            if number not in sources:
                return f"No source says {number}, as this does: “{sentence.strip()}”"
    return ""


def _impact_made_up(result: Result) -> str:
    impact = result.content["impact"]
    if impact == "not stated":
        return ""
    return f"The statement names no impact; the record says {impact}."


def _whole_order(result: Result) -> str:
    amount = result.content["amount"]
    if amount == 74.5:
        return ""
    return f"One lamp of two is broken: 74.50, not {amount:.2f} (R2)."


def _no_warning(result: Result) -> str:
    if "spoon" in result.content.lower():
        return ""
    return "She must be told not to hold the switch down with a spoon (policy 6)."


OBJECTIONS: dict[str, Callable[[Result], str]] = {
    "07-asks-for-an-address": _declined,
    "08-used-bread-knife": _too_late,
    "09-scans-in-one-file": _unsupported,
    "12-cve-2022-35737": _impact_made_up,
    "13-one-lamp-of-two": _whole_order,
    "14-kettle-switch": _no_warning,
}
