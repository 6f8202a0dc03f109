"""What the job page shows of reviews and deliveries."""

from typing import cast

from django.contrib.auth.models import User
from django.http import HttpRequest
from django.urls import reverse

from jobs.admin.panels import Panel, register
from jobs.models import Job, ToolCall
from jobs.services.supply import waiting_attempt
from reviews.admin import job_verbs, undo
from reviews.services.answer_call import why_not_answer


@register
def reviews_panel(request: HttpRequest, job: Job) -> Panel | None:
    """The reviews of this job and what was decided; the open one comes next."""
    rows = job.reviews.order_by("-pk").prefetch_related(
        "decisions__by", "decisions__beside", "decisions__delivery__destination"
    )
    reviews = list(rows)
    if not reviews:
        return None
    action = None
    if reviews[0].closed_at is None and request.user.has_perm("reviews.decide_review"):
        url = reverse("admin:reviews_review_change", args=[reviews[0].pk])
        action = (url, "Review it")
    shown = {"reviews": reviews}
    verbs = job_verbs.offered(request, job)
    return Panel("admin/reviews/review/panel.html", shown, action, verbs)


@register
def callbacks_panel(request: HttpRequest, job: Job) -> Panel | None:
    """Where its status is told, and what came of that."""
    if not job.callback_url:
        return None
    rows = job.callbacks.select_related("destination").order_by("pk")
    return Panel("admin/reviews/callback/panel.html", {"callbacks": list(rows)})


@register
def deliveries_panel(request: HttpRequest, job: Job) -> Panel | None:
    """Where its approved result went, with every try."""
    rows = job.deliveries.order_by("pk").select_related("destination")
    deliveries = list(rows.defer("request").prefetch_related("attempts"))
    if not deliveries:
        return None
    shown = {"deliveries": deliveries, "undo": undo.what_is_shown(request, job)}
    banner = "admin/reviews/delivery/banner.html"
    return Panel("admin/reviews/delivery/panel.html", shown, banner=banner)


@register
def calls_panel(request: HttpRequest, job: Job) -> Panel | None:
    """The calls that it waits for, while it does; the first open one comes next."""
    if job.status != Job.Status.REQUIRES_ACTION:
        return None
    calls = list(ToolCall.objects.filter(attempt=waiting_attempt(job)))
    left = [call for call in calls if call.is_open]
    action = None
    if left and not why_not_answer(job, cast(User, request.user)):
        url = reverse("admin:jobs_toolcall_change", args=[left[0].pk])
        action = (url, "Answer it")
    return Panel("admin/reviews/toolcall/panel.html", {"calls": calls}, action)
