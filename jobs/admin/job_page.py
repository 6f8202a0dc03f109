"""The page of one job: where it is, who owes what, and all that happened."""

from typing import Any

from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.db.models.functions import Left, Length
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse

from jobs.admin.panels import Panel, panels_of
from jobs.explain import explain
from jobs.kit.numbers import whole_number
from jobs.models import Attempt, Job, RawResponse, Result
from jobs.policy.failures import FailureClass
from jobs.rendering import render_value
from jobs.services.costs import with_costs
from jobs.services.progress import progress_of
from jobs.services.rendered import html_of
from jobs.services.retry import why_not_retry

RAW_HEAD = 20_000  # characters of a raw response that the page itself shows
# The same input would fail the same way.
NEVER_AS_IT_IS = {FailureClass.MALFORMED_INPUT, FailureClass.POLICY}
LIVE = [Job.Status.QUEUED, Job.Status.RUNNING, Job.Status.APPROVED]


def show_job(
    desk: ModelAdmin[Any], request: HttpRequest, object_id: str
) -> HttpResponse:
    """The job's page; a live part that asks again learns when all of it is stale."""
    if not desk.has_view_permission(request):
        raise PermissionDenied
    job = find_job(request, object_id)
    if request.headers.get("HX-Request") and request.GET.get("was") != job.status:
        return HttpResponse(headers={"HX-Refresh": "true"})
    context = {
        **desk.admin_site.each_context(request),
        "opts": desk.opts,
        "title": str(job),
        **what_is_shown(request, job),
    }
    request.current_app = desk.admin_site.name
    return TemplateResponse(request, "admin/jobs/job/page.html", context)


def find_job(request: HttpRequest, object_id: str) -> Job:
    """The job, when this person may see it; else there is none."""
    rows = Job.objects.visible_to(request.user)
    rows = rows.select_related("version__job_type", "requester", "thread")
    return get_object_or_404(rows, pk=whole_number(object_id))


def what_is_shown(request: HttpRequest, job: Job) -> dict[str, Any]:
    """Everything on the page, in a number of queries that does not grow."""
    panels = panels_of(request, job)
    sees_all = request.user.has_perm("jobs.view_unapproved")
    return {
        "job": job,
        "explanation": explain(job),
        "progress": progress_of(job),
        "live": job.status in LIVE,
        "panels": panels,
        "input_html": render_value(job.input, job.version.input_schema),
        "attempts": attempts_of(job),
        "results": _results(job, sees_all),
        "events": job.events.select_related("beside"),
        "raws": _raws(job) if sees_all else [],
        "raw_head": RAW_HEAD,
        "hide_traces": job.erased_at is not None or not sees_all,
        **_next_steps(request, job, panels),
    }


def attempts_of(job: Job) -> list[Attempt]:
    """Its runs with evidence and cost, as every page shows them."""
    rows = job.attempts.order_by("number").select_related("follows", "job__version")
    return with_costs(rows.prefetch_related("traces", "tool_calls"))


def _results(job: Job, sees_all: bool) -> list[dict[str, Any]]:
    """Newest first; what is not approved needs a right of its own.

    What was edited out is not, and detached citations quote it.
    """
    rows = job.results.select_related("author", "attempt").prefetch_related("citations")
    return [
        {
            "result": result,
            "approved": _is_approved(result, job),
            "html": html_of(result) if sees_all or _is_approved(result, job) else None,
            "citations": [
                row for row in result.citations.all() if sees_all or not row.is_detached
            ],
        }
        for result in rows.order_by("-number")
    ]


def _is_approved(result: Result, job: Job) -> bool:
    return bool(job.approved_hash) and result.content_hash == job.approved_hash


def _raws(job: Job) -> QuerySet[RawResponse]:
    rows = RawResponse.objects.filter(attempt__job=job).defer("body")
    rows = rows.annotate(head=Left("body", RAW_HEAD), size=Length("body"))
    return rows.select_related("attempt").order_by("attempt__number")


def _next_steps(request: HttpRequest, job: Job, panels: list[Panel]) -> dict[str, Any]:
    """What this person can do next; `step` is the one to do first."""
    may = request.user.has_perm
    waiting = [Job.Status.QUEUED, Job.Status.RUNNING]
    return {
        "step": next((panel.action for panel in panels if panel.action), None),
        "verbs": [verb for panel in panels for verb in panel.verbs],
        "can_retry": not why_not_retry(job) and may("jobs.retry_job"),
        "must_correct": job.failure_class in NEVER_AS_IT_IS,
        "can_check": job.status in waiting and may("jobs.retry_job"),
        "can_hold": job.erased_at is None and may("jobs.hold_job"),
        "can_cancel": job.may_become(Job.Status.CANCELLED) and may("jobs.cancel_job"),
    }


def raw_response(request: HttpRequest, pk: int) -> HttpResponse:
    """The provider's body as it came, as plain text."""
    if not request.user.has_perm("jobs.view_unapproved"):
        raise PermissionDenied
    visible = Job.objects.visible_to(request.user)
    raw = get_object_or_404(RawResponse, attempt__job__in=visible, pk=pk)
    return HttpResponse(raw.body, content_type="text/plain; charset=utf-8")
