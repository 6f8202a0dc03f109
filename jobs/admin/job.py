"""Jobs: the list, and the way to their own pages."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.admin import job_page, retry, submit, upload, verbs
from jobs.kit import looks
from jobs.kit.readonly import DeskAdmin
from jobs.models import Job
from jobs.policy.progress import estimate
from jobs.services.progress import usual_duration

if TYPE_CHECKING:
    from jobs.policy.progress import Progress


class JobList(ChangeList):
    """Adds the progress of running rows, with one question per type version."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        running = [j for j in self.result_list if j.status == Job.Status.RUNNING]
        usual = {v: usual_duration(v) for v in {job.version_id for job in running}}
        for job in running:
            began = job.started_at or job.created_at
            job.progress = estimate(
                elapsed=timezone.now() - began,
                usual=usual[job.version_id],
                steps=job.steps,
            )


@admin.register(Job)
class JobAdmin(DeskAdmin):
    """The list of jobs; a row opens the job's own page."""

    list_display = (
        "title_shown",
        "status_shown",
        "type_shown",
        "requester",
        "created",
        "moved",
    )
    list_display_links = ("title_shown",)
    list_filter = ("status", "version__job_type")
    list_select_related = ("version__job_type", "requester")
    search_fields = ("title",)
    search_help_text = "Title or id"
    ordering = ("-created_at", "-id")
    sortable_by = ()
    actions = ("cancel_selected", "retry_selected", "check_selected")
    add_label = "Submit a job"
    empty_title = "No jobs yet"
    empty_note = "Submit one here, or send it to POST /api/v1/jobs/."

    # ---- who may see what ----------------------------------------------------------
    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        rows = Job.objects.visible_to(request.user)
        return rows.order_by(*self.ordering).defer("input", "metadata")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("jobs.submit_job")

    def has_change_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        return False

    def has_delete_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        return False

    def has_view_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        rights = ("view_job", "view_all_jobs", "submit_job")
        return any(request.user.has_perm(f"jobs.{right}") for right in rights)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("jobs.cancel_job")

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("jobs.retry_job")

    # ---- the list ------------------------------------------------------------------
    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return JobList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """By title, or by an id or its first eight characters."""
        bounds = id_bounds(search_term)
        if bounds:
            return queryset.filter(public_id__range=bounds), False
        return super().get_search_results(request, queryset, search_term)

    def action_checkbox(self, job: Any) -> SafeString:
        """With what this row showed, for verbs that refuse what is stale."""
        return format_html(
            '{}<input type="hidden" name="shown-{}" value="{}">',
            super().action_checkbox(job),
            job.pk,
            job.as_shown,
        )

    @admin.display(description="Job")
    def title_shown(self, job: Job) -> SafeString:
        return format_html("{}", str(job))

    @admin.display(description="Status")
    def status_shown(self, job: Job) -> SafeString:
        progress: Progress | None = getattr(job, "progress", None)
        if progress is None:
            return looks.badge(job.status)
        bar = looks.progress_bar(progress.percent, progress.note)
        return format_html("{}{}", looks.badge(job.status), bar)

    @admin.display(description="Type")
    def type_shown(self, job: Job) -> str:
        return str(job.version.job_type)

    @admin.display(description="Created")
    def created(self, job: Job) -> SafeString:
        return looks.moment(job.created_at)

    @admin.display(description="Ended")
    def moved(self, job: Job) -> SafeString:
        return looks.moment(job.finished_at)

    # ---- actions -------------------------------------------------------------------
    @admin.action(description="Cancel selected jobs", permissions=["cancel"])
    def cancel_selected(self, request: HttpRequest, jobs: QuerySet[Job]) -> None:
        verbs.apply_to_all(self, request, "cancel", jobs)

    @admin.action(description="Retry selected jobs", permissions=["retry"])
    def retry_selected(self, request: HttpRequest, jobs: QuerySet[Job]) -> None:
        verbs.apply_to_all(self, request, "retry", jobs)

    @admin.action(description="Check selected jobs now", permissions=["retry"])
    def check_selected(self, request: HttpRequest, jobs: QuerySet[Job]) -> None:
        verbs.apply_to_all(self, request, "check", jobs)

    # ---- the other pages -----------------------------------------------------------
    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("submit/", wrap(submit.choose_type), name="jobs_job_submit"),
            path(
                "submit/<slug:name>/",
                wrap(submit.submit_one),
                name="jobs_job_submit_type",
            ),
            path(
                "submit/<slug:name>/upload/",
                wrap(upload.upload),
                name="jobs_job_upload",
            ),
            path(
                "<int:pk>/do/<slug:verb>/",
                wrap(self.act_view),
                name="jobs_job_act",
            ),
            path("<int:pk>/retry/", wrap(retry.retry_one), name="jobs_job_retry"),
            path("raw/<int:pk>/", wrap(job_page.raw_response), name="jobs_job_raw"),
            *super().get_urls(),
        ]

    def add_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:jobs_job_submit"))

    def change_view(
        self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        return job_page.show_job(self, request, object_id)

    def history_view(
        self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:jobs_job_change", args=[object_id]))

    def act_view(self, request: HttpRequest, pk: int, verb: str) -> HttpResponse:
        return verbs.act(self, request, pk, verb)


def id_bounds(text: str) -> tuple[UUID, UUID] | None:
    """The first and the last id that begin with these eight or more hex digits."""
    digits = text.strip().replace("-", "").lower()
    if not 8 <= len(digits) <= 32 or set(digits) - set("0123456789abcdef"):
        return None
    return UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))
