"""The side bar: where a person may go, in the order in which work is done."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse

from jobs.models import ToolCall
from reviews.models import Review

VIEW_JOBS = ("jobs.view_job", "jobs.view_all_jobs", "jobs.submit_job")
VIEW_THREADS = ("jobs.view_thread", "jobs.view_all_jobs", "jobs.submit_job")
VIEW_REVIEWS = ("reviews.view_review", "reviews.decide_review")


@dataclass(frozen=True)
class Place:
    """A page with a name and an icon; any one of `rights` opens it."""

    name: str
    icon: str
    view: str
    rights: tuple[str, ...] = ()


@dataclass
class Entry:
    """A place as one person sees it."""

    name: str
    icon: str
    url: str
    current: bool = False
    count: int = 0


@dataclass
class Group:
    """Entries under a heading; the first group has none."""

    title: str
    entries: list[Entry] = field(default_factory=list)


QUEUE = "admin:reviews_review_changelist"
CALLS = "admin:jobs_toolcall_changelist"
COUNTED: dict[str, Callable[[], QuerySet[Any]]] = {
    QUEUE: Review.objects.open,
    CALLS: ToolCall.objects.open,
}
PLACES: dict[str, list[Place]] = {
    "": [
        Place("Overview", "overview", "admin:index"),
        Place("Review queue", "queue", QUEUE, VIEW_REVIEWS),
        Place("Calls to answer", "info", CALLS, ("jobs.answer_toolcall",)),
        Place("Jobs", "jobs", "admin:jobs_job_changelist", VIEW_JOBS),
        Place("Threads", "threads", "admin:jobs_thread_changelist", VIEW_THREADS),
        Place(
            "Deliveries",
            "deliveries",
            "admin:reviews_delivery_changelist",
            ("reviews.view_delivery",),
        ),
        Place("Submit a job", "submit", "admin:jobs_job_submit", ("jobs.submit_job",)),
    ],
    "Manage": [
        Place(
            "Job types",
            "types",
            "admin:jobs_jobtype_changelist",
            ("jobs.view_jobtype", "jobs.change_jobtype"),
        ),
        Place(
            "Review policies",
            "queue",
            "admin:reviews_reviewpolicy_changelist",
            ("reviews.view_reviewpolicy",),
        ),
        Place(
            "Destinations",
            "destinations",
            "admin:reviews_destination_changelist",
            ("reviews.view_destination", "reviews.change_destination"),
        ),
        Place("Pauses", "pauses", "admin:jobs_pause_changelist", ("jobs.view_pause",)),
        Place(
            "Start limits",
            "limits",
            "admin:jobs_startlimit_changelist",
            ("jobs.view_startlimit",),
        ),
        Place("Prices", "prices", "admin:jobs_price_changelist", ("jobs.view_price",)),
        Place("Sweeps", "sweeps", "admin:jobs_sweep_changelist", ("jobs.view_sweep",)),
        Place(
            "Webhooks in",
            "webhooks",
            "admin:jobs_webhookreceipt_changelist",
            ("jobs.view_webhookreceipt",),
        ),
        Place(
            "Findings",
            "info",
            "admin:jobs_finding_changelist",
            ("jobs.view_finding",),
        ),
        Place(
            "API tokens",
            "tokens",
            "admin:jobs_apitoken_changelist",
            ("jobs.view_apitoken",),
        ),
        Place("Users", "users", "admin:auth_user_changelist", ("auth.view_user",)),
        Place("Groups", "groups", "admin:auth_group_changelist", ("auth.view_group",)),
    ],
    "System": [Place("Task queue", "system", "admin:app_list", ("is_superuser",))],
}


def sidebar(request: HttpRequest) -> list[Group]:
    """The groups that this person may open, the current page marked."""
    groups = [
        Group(title, [_entry(place) for place in places if _may(request, place)])
        for title, places in PLACES.items()
    ]
    groups = [group for group in groups if group.entries]
    _mark_current(groups, request.path)
    return groups


def _may(request: HttpRequest, place: Place) -> bool:
    if place.rights == ("is_superuser",):
        return bool(getattr(request.user, "is_superuser", False))
    return not place.rights or any(request.user.has_perm(r) for r in place.rights)


def _entry(place: Place) -> Entry:
    args = ["django_q"] if place.view == "admin:app_list" else []
    counted = COUNTED.get(place.view)
    count = counted().count() if counted else 0
    return Entry(place.name, place.icon, reverse(place.view, args=args), count=count)


def _mark_current(groups: list[Group], path: str) -> None:
    """The longest address that the path begins with; the front page only exactly."""
    home = reverse("admin:index")
    entries = [entry for group in groups for entry in group.entries]
    fitting = [
        entry
        for entry in entries
        if path == entry.url or (entry.url != home and path.startswith(entry.url))
    ]
    if fitting:
        max(fitting, key=lambda entry: len(entry.url)).current = True
