"""Checks: what must be confirmed before a result may be approved."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from jobs.kit.looks import FLAGS
from jobs.lifecycle import MoveRefused
from jobs.models import Result
from reviews.models import Check, Review
from reviews.policy.rules import Answer, Source, judge, question_of
from reviews.policy.terms import BY_RULE
from reviews.services.seen import as_seen, outdate_pages

LONGEST_WHY = 2_000  # characters


class WhyNeeded(ValueError):
    """What does not pass says why, in so many words."""


@transaction.atomic
def do_check(check: Check, *, passed: bool, by: User, seen: str, why: str = "") -> None:
    """Note what this person found, on exactly what was `seen`.

    Raises as as_seen() does, WhyNeeded for a failure without a reason, and
    MoveRefused for what a rule has to say.
    """
    if not passed and not why.strip():
        raise WhyNeeded("Say what is wrong, for whoever puts it right.")
    if len(why.strip()) > LONGEST_WHY:
        raise WhyNeeded(f"Say it in at most {LONGEST_WHY:,} characters.")
    review, _ = as_seen(check.review, by, seen)
    people_say = review.checks.filter(pk=check.pk).exclude(kind="rule")
    found = people_say.update(
        passed=passed, why=why.strip(), done_by=by, done_at=timezone.now()
    )
    if not found:
        raise MoveRefused(f"“{check.name}” is checked by a rule, not by a person.")
    outdate_pages(review)


def make_checks(review: Review, now: datetime) -> None:
    """Those of the terms and one for each flag; rules give their findings at once."""
    Check.objects.bulk_create(_named_apart(_checks_of(review, now)))


def renew_checks(review: Review, now: datetime) -> None:
    """The result is another: rules look again, and people confirm again."""
    review.checks.all().delete()
    make_checks(review, now)


def _checks_of(review: Review, now: datetime) -> Iterator[Check]:
    answer = _answer_of(review.result)
    for said in review.terms.checks:
        if BY_RULE in said:
            yield _by_rule(review, said[BY_RULE], answer, now)
        else:
            yield Check(review=review, kind="person", **said)
    for flag in review.result.flags:
        question = f"{FLAGS.get(flag, flag)} It may be approved all the same."
        name = f"flag {flag}"
        yield Check(review=review, kind="flag", name=name, question=question)


def _named_apart(checks: Iterable[Check]) -> list[Check]:
    """A policy may still say what is a flag's name today: both are asked then."""
    named: dict[str, Check] = {}
    for check in checks:
        name, number = check.name, 2
        while check.name in named:
            check.name, number = f"{name} ({number})", number + 1
        named[check.name] = check
    return list(named.values())


def _by_rule(review: Review, name: str, answer: Answer, now: datetime) -> Check:
    found = judge(name, answer)
    return Check(
        review=review,
        kind="rule",
        name=name,
        question=question_of(name)[:300],
        passed=found.passed,
        why="" if found.passed else found.why[:LONGEST_WHY],
        done_at=now,
    )


def _answer_of(result: Result) -> Answer:
    rows = result.citations.order_by("position")
    fields = ("position", "start", "end", "quote", "is_detached")
    return Answer(
        result.content, tuple(Source(*row) for row in rows.values_list(*fields))
    )
