"""Threads: the list, the page of one, and the ways to close it."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Model, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.admin import thread_page
from jobs.kit import looks
from jobs.kit.readonly import ReadOnlyAdmin
from jobs.lifecycle import MoveRefused
from jobs.models import Thread
from jobs.models.thread import STATES
from jobs.rendering import visible
from jobs.services.closing import archive_thread, delete_thread, may_close


class StateFilter(admin.SimpleListFilter):
    """By what people are told, which is not one column."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return Thread.State.choices

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(STATES.get(self.value() or "", Q()))


@admin.register(Thread)
class ThreadAdmin(ReadOnlyAdmin):
    """Newest first; a row opens the thread as a conversation."""

    list_display = ("key_shown", "state_shown", "owner", "jobs_shown", "made", "over")
    list_display_links = ("key_shown",)
    list_filter = (StateFilter,)
    list_select_related = ("owner", "active_job")
    search_fields = ("key",)
    search_help_text = "Key"
    ordering = ("-created_at", "-id")
    sortable_by = ()
    actions = None
    empty_title = "No threads yet"
    empty_note = "A job that is submitted with a thread begins one."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = Thread.objects.visible_to(request.user).order_by(*self.ordering)
        return rows.annotate(count=Count("jobs"))

    def has_view_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        rights = ("view_thread", "view_all_jobs", "submit_job")
        return any(request.user.has_perm(f"jobs.{right}") for right in rights)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    # ---- the list ------------------------------------------------------------------
    @admin.display(description="Thread")
    def key_shown(self, thread: Thread) -> str:
        return visible(thread.key)

    @admin.display(description="State")
    def state_shown(self, thread: Thread) -> SafeString:
        return looks.badge(thread.state)

    @admin.display(description="Jobs")
    def jobs_shown(self, thread: Any) -> int:
        return int(thread.count)

    @admin.display(description="Created")
    def made(self, thread: Thread) -> SafeString:
        return looks.moment(thread.created_at)

    @admin.display(description="Expires")
    def over(self, thread: Thread) -> SafeString:
        return looks.moment(thread.expires_at)

    # ---- the other pages -----------------------------------------------------------
    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.close_view)
        name = "jobs_thread_close"
        return [path("<int:pk>/do/<slug:how>/", view, name=name), *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        return thread_page.show_thread(self, request, object_id)

    def history_view(
        self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        return HttpResponseRedirect(
            reverse("admin:jobs_thread_change", args=[object_id])
        )

    def close_view(self, request: HttpRequest, pk: int, how: str) -> HttpResponse:
        """Archive or delete it; back to its page with what comes of it."""
        if how not in WAYS or request.method != "POST":
            raise Http404
        thread = get_object_or_404(Thread.objects.visible_to(request.user), pk=pk)
        if not may_close(thread, request.user):  # type: ignore[arg-type]
            raise PermissionDenied
        call, done = WAYS[how]
        try:
            call(thread, request)
            self.message_user(request, format_html("“{}” {}.", thread, done))
        except MoveRefused as refusal:
            self.message_user(request, str(refusal), messages.WARNING)
        return HttpResponseRedirect(reverse("admin:jobs_thread_change", args=[pk]))


Way = Callable[[Thread, HttpRequest], Any]
WAYS: dict[str, tuple[Way, str]] = {
    "archive": (
        lambda thread, request: archive_thread(thread, by=request.user),  # type: ignore[arg-type]
        "is archived once the jobs in it have come to their ends",
    ),
    "delete": (
        lambda thread, request: delete_thread(
            thread,
            by=request.user,  # type: ignore[arg-type]
            archive="keep" in request.POST,
        ),
        "is being deleted",
    ),
}
