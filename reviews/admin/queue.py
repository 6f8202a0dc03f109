"""The tabs and filters of the queue, all kept in its address."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from jobs.kit.looks import FLAGS, words
from reviews.models import Review
from reviews.models.review import ReviewQuerySet
from reviews.services.queue import PARTS, part_of

TABS = {
    "": "All open",
    "mine": "Mine",
    "unclaimed": "Unclaimed",
    "overdue": "Overdue",
    "flagged": "Flagged",
    "partly_approved": "For a second approval",
}
AGES = {"1": "Over an hour", "4": "Over four hours", "24": "Over a day"}


@dataclass(frozen=True)
class Tab:
    """A part of the queue, with how many wait in it."""

    words: str
    query: str
    count: int
    current: bool


def tabs(rows: ReviewQuerySet, request: HttpRequest) -> list[Tab]:
    """Every tab; the other filters in force stay in force."""
    asked = request.GET.copy()
    current = asked.get("tab", "")
    for name in ("tab", "state", "p"):
        asked.pop(name, None)
    counts = _counts(rows, request.user)
    kept = asked.urlencode()
    return [
        Tab(label, _query(name, kept), counts[name or "all"], name == current)
        for name, label in TABS.items()
    ]


def _query(tab: str, kept: str) -> str:
    return "?" + "&".join(filter(None, [f"tab={tab}" if tab else "", kept]))


def _counts(rows: ReviewQuerySet, person: Any) -> dict[str, int]:
    """All in one query: the queue is short, whatever has been decided before."""
    now = timezone.now()
    parts = {part: part_of(rows, part, person=person, now=now) for part in PARTS}
    inside = {
        part: Count("pk", filter=Q(pk__in=inner.values("pk")))
        for part, inner in parts.items()
    }
    return rows.open().order_by().aggregate(all=Count("pk"), **inside)


class TabFilter(admin.SimpleListFilter):
    """Shown as tabs above the list, and not among the filters."""

    template = "admin/reviews/review/no_filter.html"
    title = "part"
    parameter_name = "tab"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, label) for name, label in TABS.items() if name]

    def queryset(self, request: HttpRequest, queryset: Any) -> QuerySet[Review]:
        tab, now = self.value(), timezone.now()
        if tab not in PARTS:
            return queryset
        return part_of(queryset, tab, person=request.user, now=now)


class StateFilter(admin.SimpleListFilter):
    """Open ones unless asked otherwise: this is a queue first."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("closed", "Closed"), ("all", "All")]

    def choices(self, changelist: Any) -> Iterator[Any]:
        first, *others = super().choices(changelist)
        yield {**first, "display": "Open"}
        yield from others

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Review]
    ) -> QuerySet[Review]:
        if self.value() == "all":
            return queryset
        return queryset.filter(closed_at__isnull=self.value() != "closed")


class FlagFilter(admin.SimpleListFilter):
    """By one flag of the result."""

    title = "flag"
    parameter_name = "flag"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, words(name)) for name in FLAGS]

    def queryset(self, request: HttpRequest, queryset: Any) -> QuerySet[Review]:
        flag = self.value()
        if flag not in FLAGS:
            return queryset
        return queryset.with_flag(flag)


class AgeFilter(admin.SimpleListFilter):
    """By how long it has been waiting."""

    title = "waiting"
    parameter_name = "age"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(AGES.items())

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Review]
    ) -> QuerySet[Review]:
        hours = self.value()
        if hours not in AGES:
            return queryset
        since = timezone.now() - timedelta(hours=int(hours))
        return queryset.filter(opened_at__lte=since)


class RequesterFilter(admin.SimpleListFilter):
    """By who asked: those with something in the queue."""

    title = "asked by"
    parameter_name = "requester"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        waiting = Review.objects.visible_to(request.user).open()
        asked = User.objects.filter(pk__in=waiting.values("job__requester"))
        return [(user.username, user.username) for user in asked.order_by("username")]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Review]
    ) -> QuerySet[Review]:
        name = self.value()
        return queryset.filter(job__requester__username=name) if name else queryset
