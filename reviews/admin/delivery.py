"""Deliveries: what is on its way, what arrived, what is stuck."""

import json
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString

from jobs.kit import looks
from jobs.kit.readonly import ReadOnlyAdmin
from reviews.models import Delivery

S = Delivery.Status
STATES = {
    "trouble": ("In trouble", [S.FAILED, S.UNCERTAIN, S.REFUSED]),
    "under_way": ("Under way", [S.PENDING, S.SENDING]),
    "over": ("Over", [S.DELIVERED, S.WITHDRAWN]),
}


class StateFilter(admin.SimpleListFilter):
    """By what people ask: is it stuck, is it under way, is it over?"""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, label) for name, (label, _) in STATES.items()]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Delivery]
    ) -> QuerySet[Delivery]:
        if self.value() not in STATES:
            return queryset
        return queryset.filter(status__in=STATES[str(self.value())][1])


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    """Newest first; a row opens the delivery's own page."""

    list_display = ("job_shown", "state", "destination", "tries", "next", "made")
    list_display_links = ("job_shown",)
    list_filter = (StateFilter, "destination")
    list_select_related = ("job__version__job_type", "destination")
    search_fields = ("job__title",)
    search_help_text = "Title of the job"
    ordering = ("-created_at", "-id")
    sortable_by = ()
    actions = None
    empty_title = "No deliveries yet"
    empty_note = "Approved results appear here, one row for each destination."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        rows = Delivery.objects.order_by(*self.ordering).defer("request")
        if request.user.has_perm("jobs.view_all_jobs"):
            return rows
        return rows.filter(job__requester_id=request.user.pk)

    @admin.display(description="Job")
    def job_shown(self, delivery: Delivery) -> str:
        return str(delivery.job)

    @admin.display(description="Status")
    def state(self, delivery: Delivery) -> SafeString:
        return looks.badge(delivery.status)

    @admin.display(description="Next try")
    def next(self, delivery: Delivery) -> SafeString:
        return looks.moment(delivery.wake_at)

    @admin.display(description="Approved")
    def made(self, delivery: Delivery) -> SafeString:
        return looks.moment(delivery.created_at)

    def change_view(
        self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """The request as it was stored, and every try to send it."""
        if not self.has_view_permission(request) or not object_id.isdecimal():
            raise Http404
        rows = (
            self.get_queryset(request)
            .defer(None)
            .select_related(
                "job", "destination", "destination_version", "decision__by", "result"
            )
        )
        delivery: Any = get_object_or_404(rows, pk=object_id)
        context = {
            **self.admin_site.each_context(request),
            "title": str(delivery),
            "delivery": delivery,
            "shown": _as_read(delivery.request),
            "tries": delivery.attempts.order_by("number"),
        }
        template = "admin/reviews/delivery/page.html"
        return TemplateResponse(request, template, context)


def _as_read(request: str) -> Any:
    """The stored request as fields; whatever else was stored, as it is."""
    try:
        return json.loads(request)
    except ValueError:
        return {"request": request}
