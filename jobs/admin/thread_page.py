"""The page of one thread: read as a conversation, each verdict beside its answer."""

from dataclasses import dataclass
from typing import Any

from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.safestring import SafeString

from jobs.explain import Explanation, explain
from jobs.kit.numbers import whole_number
from jobs.models import Attempt, Job, JobEvent, Result, Thread, ThreadItem
from jobs.provider.conversations import text_of_item
from jobs.services.closing import may_close
from jobs.services.rendered import html_beside_others
from jobs.services.thread_stats import stats_of
from jobs.services.threads import CLOSED

TURNS = 20  # jobs on one page: each may hold a long answer
ITEMS = 100  # copied items on one page
ASKED = 20_000  # characters of what was asked
S = Job.Status
BEFORE: dict[str, str] = {S.DELIVERED: S.APPROVED}
VERDICTS = [S.APPROVED, S.REJECTED, S.ABANDONED, S.CANCELLED, S.FAILED, S.EXPIRED]


@dataclass(frozen=True)
class Turn:
    """One job of the thread; `answer` is None for those who may not see it yet."""

    job: Job
    asked: str
    result: Result | None
    answer: SafeString | None
    explanation: Explanation
    verdict: JobEvent | None
    taken_out: bool


def show_thread(
    desk: ModelAdmin[Any], request: HttpRequest, object_id: str
) -> HttpResponse:
    """The newest turns, the oldest of them first, and what stands beside them."""
    if not desk.has_view_permission(request):
        raise PermissionDenied
    rows = Thread.objects.visible_to(request.user).select_related("owner", "active_job")
    thread = get_object_or_404(rows, pk=whole_number(object_id))
    sees_all = request.user.has_perm("jobs.view_unapproved")
    jobs, earlier = _page_of(thread, request.GET.get("before", ""))
    context = {
        **desk.admin_site.each_context(request),
        "opts": desk.opts,
        "title": str(thread),
        "thread": thread,
        "turns": _turns(jobs, sees_all),
        "earlier": earlier,
        "stats": stats_of(thread),
        "conversations": thread.conversations.order_by("number"),
        "copied": _copied(thread) if sees_all else [],
        "closed": CLOSED.get(Thread.Stage(thread.stage), ""),
        **_ways_out(thread, request),
    }
    request.current_app = desk.admin_site.name
    return TemplateResponse(request, "admin/jobs/thread/page.html", context)


def _page_of(thread: Thread, before: str) -> tuple[list[Any], int | None]:
    """So many jobs before that one, and before which there are more."""
    rows = thread.jobs.select_related("version__job_type", "requester", "thread")
    out = Attempt.objects.filter(job=OuterRef("pk"), taken_out_at__isnull=False)
    rows = rows.annotate(taken_out=Exists(out))
    if (number := whole_number(before)) is not None:
        rows = rows.filter(pk__lt=number)
    newest = list(rows.order_by("-pk")[: TURNS + 1])
    jobs = newest[:TURNS][::-1]
    return jobs, jobs[0].pk if len(newest) > TURNS else None


def _turns(jobs: list[Any], sees_all: bool) -> list[Turn]:
    """With a number of questions that does not grow with what happened to them."""
    results = _newest(Result.objects.filter(job__in=jobs).order_by("number"))
    told = JobEvent.objects.filter(job__in=jobs, kind="status", became__in=VERDICTS)
    verdicts = _newest(told.select_related("beside").order_by("seq"))
    return [_turn(job, results.get(job.pk), verdicts, sees_all) for job in jobs]


def _newest(rows: QuerySet[Any]) -> dict[int, Any]:
    return {row.job_id: row for row in rows}


def _turn(
    job: Any, result: Result | None, verdicts: dict[int, JobEvent], sees_all: bool
) -> Turn:
    approved = result is not None and result.content_hash == job.approved_hash
    visible = result is not None and (sees_all or approved)
    verdict = verdicts.get(job.pk)
    if verdict and verdict.became not in (job.status, BEFORE.get(job.status)):
        verdict = None  # it went on since
    page = reverse("admin:jobs_job_change", args=[job.pk])
    asked = "" if job.erased_at else job.version.render_prompt(job.input)
    return Turn(
        job=job,
        asked=asked[:ASKED],
        result=result,
        answer=html_beside_others(result, page) if result and visible else None,
        explanation=explain(job),
        verdict=verdict,
        taken_out=job.taken_out,
    )


def _copied(thread: Thread) -> list[dict[str, Any]]:
    """The first items of what was copied, as text."""
    rows = ThreadItem.objects.filter(conversation__thread=thread)
    rows = rows.select_related("conversation").order_by("conversation", "position")
    return [{"item": row, "text": text_of_item(row.body)} for row in rows[:ITEMS]]


def _ways_out(thread: Thread, request: HttpRequest) -> dict[str, bool]:
    may = may_close(thread, request.user)  # type: ignore[arg-type]
    stage = thread.stage
    going = (Thread.Stage.DELETING, Thread.Stage.DELETED)
    return {
        "can_archive": may and stage == Thread.Stage.OPEN,
        "can_delete": may and stage not in going,
    }
