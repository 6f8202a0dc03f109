"""What the front page shows, in a handful of queries."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import Count, Q
from django.urls import reverse
from django.utils import timezone

from jobs.kit.looks import TONES, from_now, words
from jobs.models import Finding, Job, Sweep
from reviews.models import Delivery, Review

RECENT = 8
LATELY = timedelta(days=7)
FRESH = timedelta(seconds=30)  # a sweep beats about once a second
SILENT = timedelta(minutes=2)  # the next sweep starts every minute
TYPE = "version__job_type"
AT_WORK = [Job.Status.RUNNING, Job.Status.QUEUED]
IN_TROUBLE = [
    Delivery.Status.FAILED,
    Delivery.Status.UNCERTAIN,
    Delivery.Status.REFUSED,
]


@dataclass(frozen=True)
class Tile:
    """A number that links to the rows it counts."""

    label: str
    count: int
    url: str
    tone: str = ""
    note: str = ""


@dataclass(frozen=True)
class Pulse:
    """When a lane of the sweep last gave a sign of life."""

    title: str
    tone: str
    text: str
    advice: str = ""


def overview(person: AbstractBaseUser | AnonymousUser) -> dict[str, Any]:
    """Everything on the front page, as this person may see it."""
    jobs = Job.objects.visible_to(person)
    counts = jobs.counts_by_status()
    lately = jobs.filter(created_at__gte=timezone.now() - LATELY)  # by the index
    recent = lately.exclude(finished_at=None).select_related(TYPE)
    return {
        "waiting": _waiting(person, counts),
        "tiles": [_status_tile(status, n) for status, n in counts.items()],
        "pulses": [
            _pulse("Provider sweep", Sweep.PROVIDER),
            _pulse("Outbox", Sweep.OUTBOX),
        ],
        "at_work": jobs.filter(status__in=AT_WORK).select_related(TYPE)[:RECENT],
        "recent": recent.order_by("-finished_at")[:RECENT],
    }


def _waiting(person: Any, counts: dict[str, int]) -> list[Tile]:
    """What waits for a person, only those parts this person can open."""
    tiles = []
    if person.has_perm("reviews.view_review") or person.has_perm(
        "reviews.decide_review"
    ):
        tiles.append(_review_tile())
    action, url = counts[Job.Status.REQUIRES_ACTION], _jobs_url("requires_action")
    if person.has_perm("jobs.answer_toolcall"):
        url = reverse("admin:jobs_toolcall_changelist")
    tiles.append(Tile("Need an answer", action, url, "wait"))
    if person.has_perm("reviews.view_delivery"):
        tiles.append(_delivery_tile())
    findings = Finding.objects.open().count()
    if findings and person.has_perm("jobs.view_finding"):
        url = reverse("admin:jobs_finding_changelist")
        tiles.append(Tile("Found by the doctor", findings, f"{url}?state=open", "bad"))
    return tiles


def _review_tile() -> Tile:
    now = timezone.now()
    found = Review.objects.open().aggregate(
        all=Count("pk"), late=Count("pk", filter=Q(due_at__lte=now))
    )
    late = found["late"]
    return Tile(
        "Awaiting review",
        found["all"],
        reverse("admin:reviews_review_changelist"),
        "bad" if late else "wait",
        f"{late} overdue" if late else "",
    )


def _delivery_tile() -> Tile:
    count = Delivery.objects.filter(status__in=IN_TROUBLE).count()
    url = reverse("admin:reviews_delivery_changelist")
    return Tile("Deliveries in trouble", count, f"{url}?state=trouble", "bad")


def _status_tile(status: str, count: int) -> Tile:
    return Tile(words(status), count, _jobs_url(status), TONES.get(status, "idle"))


def _jobs_url(status: str) -> str:
    return f"{reverse('admin:jobs_job_changelist')}?status__exact={status}"


def _pulse(title: str, lane: str) -> Pulse:
    return pulse(title, Sweep.objects.last_beat(lane), timezone.now())


def pulse(title: str, beat: datetime | None, now: datetime) -> Pulse:
    """Green while it beats, amber between two sweeps, red when nobody works."""
    advice = "Nothing moves until a worker runs: start one with manage.py worker."
    if beat is None:
        return Pulse(title, "bad", "has not run yet", advice)
    if now - beat >= SILENT:
        text = from_now(beat, now).removesuffix(" ago")
        return Pulse(title, "bad", f"silent for {text}", advice)
    tone = "good" if now - beat < FRESH else "wait"
    return Pulse(title, tone, from_now(beat, now))
