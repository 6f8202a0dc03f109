"""Calls of the model that wait for a person: the list, and the page to answer them."""

from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.kit import looks
from jobs.kit.readonly import ReadOnlyAdmin
from jobs.models import Job, ToolCall
from jobs.rendering import visible
from reviews.admin import calls_page


@admin.register(ToolCall)
class ToolCallAdmin(ReadOnlyAdmin):
    """What runs wait for; those whose time is up first stand first."""

    list_display = ("call", "job", "type", "asked", "until")
    list_display_links = ("call",)
    list_filter = ("attempt__job__version__job_type",)
    list_select_related = ("attempt__job__version__job_type",)
    search_fields = ("attempt__job__title", "name")
    search_help_text = "Title of the job, or name of the call"
    ordering = ("attempt__job__wake_at", "pk")
    sortable_by = ()
    actions = None
    list_title = "Calls to answer"
    list_note = "Each holds up a run. What only looks things up answers itself."
    empty_title = "Nothing to answer"
    empty_note = "No run waits for a person."

    def get_queryset(self, request: HttpRequest) -> QuerySet[ToolCall]:
        jobs = Job.objects.visible_to(request.user)
        return ToolCall.objects.open().filter(attempt__job__in=jobs).defer("arguments")

    def has_view_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        return calls_page.may_look(request)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return calls_page.may_look(request)

    @admin.display(description="Call")
    def call(self, call: ToolCall) -> SafeString:
        return visible(call.name or "without a name")

    @admin.display(description="Job")
    def job(self, call: ToolCall) -> str:
        return str(call.attempt.job)

    @admin.display(description="Type")
    def type(self, call: ToolCall) -> str:
        return str(call.attempt.job.version.job_type)

    @admin.display(description="Asked")
    def asked(self, call: ToolCall) -> SafeString:
        return looks.moment(call.attempt.ended_at)

    @admin.display(description="Waits until")
    def until(self, call: ToolCall) -> SafeString:
        if call.attempt.job.lease_until:
            return format_html('<span class="quiet">{}</span>', "being looked up")
        return looks.moment(call.attempt.job.wake_at, due=True)

    def change_view(
        self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        return calls_page.answer(self.admin_site, request, object_id)
