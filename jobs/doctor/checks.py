"""What a check is, and the table of all checks; other apps register theirs here."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from math import ceil
from typing import TypeVar
from uuid import UUID

from django.db.models import Max, Min, Model, Q, QuerySet

from jobs.models import Finding, Job

Row = TypeVar("Row", bound=Model)
SHARE = 10_000  # rows of a large table that one run reads: half new, half in turn


class About(StrEnum):
    """What rows look like, wherever they are; or what runs around them."""

    ROWS = "rows"
    HOUSE = "house"


@dataclass(frozen=True)
class Scope:
    """When it is looked, for how much, and whether at all of the large tables."""

    now: datetime
    most: int
    whole: bool = False

    def some(self, rows: QuerySet[Row]) -> QuerySet[Row]:
        """As many of these as are told of one rule."""
        return rows[: self.most]

    def part_of(self, rows: QuerySet[Row], known: Q) -> QuerySet[Row]:
        """The newest of these rows, those whose turn it is today, and those `known`.

        Every row has its turn: ten thousand are read every day, and a million jobs in
        two hundred days.
        """
        ends = rows.model._default_manager.aggregate(first=Min("pk"), last=Max("pk"))
        if self.whole or ends["last"] is None:
            return rows
        half = SHARE // 2
        turns = ceil((ends["last"] - ends["first"] + 1) / half)
        start = ends["first"] + self.now.toordinal() % turns * half
        turn = Q(pk__gte=start, pk__lt=start + half)
        return rows.filter(turn | Q(pk__gt=ends["last"] - half) | known)


@dataclass(frozen=True)
class Found:
    """One thing that is wrong; `repair` says whether it mended it."""

    subject: str
    sentence: str
    repair: Callable[[], bool] | None = None


Look = Callable[[Scope], Iterable[Found]]


@dataclass(frozen=True)
class Check:
    """A rule by name, and the function that finds what breaks it."""

    rule: str
    about: About
    look: Look


_checks: dict[str, Check] = {}


def finds(rule: str, about: About = About.ROWS) -> Callable[[Look], Look]:
    """Register the function that finds what breaks this rule."""

    def register(look: Look) -> Look:
        _checks[rule] = Check(rule, about, look)
        return look

    return register


def all_checks(*about: About) -> Iterator[Check]:
    """The checks about these, all of them if none is named."""
    return (c for c in _checks.values() if not about or c.about in about)


def job_name(job: Job) -> str:
    """How a job is called as the subject of a finding."""
    return f"job {job.public_id}"


def known_jobs(rule: str) -> list[UUID]:
    """The jobs of open findings: looked at again, whether it is their turn or not."""
    open_now = Finding.objects.open().filter(rule=rule, subject__startswith="job ")
    names = open_now.values_list("subject", flat=True)
    return [UUID(name.removeprefix("job ").split(",")[0]) for name in names]
