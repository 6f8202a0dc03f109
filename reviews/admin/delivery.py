"""Deliveries: what is on its way, what arrived, what is stuck."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.helpers import ActionForm
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.kit import looks
from jobs.kit.readonly import ReadOnlyAdmin
from jobs.models import Pause
from reviews.admin import delivery_page, holding, ways_on
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


class WithReason(ActionForm):
    """What is done to several is said once for all of them."""

    reason = forms.CharField(
        required=False,
        max_length=2_000,
        widget=forms.TextInput(attrs={"placeholder": "Reason, kept in the history"}),
    )


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
    actions = ("resend_selected", "confirm_selected", "withdraw_selected")
    action_form = WithReason
    empty_title = "No deliveries yet"
    empty_note = "Approved results appear here, one row for each destination."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        rows = Delivery.objects.visible_to(request.user)
        return rows.order_by(*self.ordering).defer("request")

    def has_resend_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("reviews.resend_delivery")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        shown = holding.what_is_shown(request, Pause.DELIVERIES)
        return super().changelist_view(request, shown | (extra_context or {}))

    @admin.display(description="Job")
    def job_shown(self, delivery: Delivery) -> str:
        return str(delivery.job)

    @admin.display(description="Status")
    def state(self, delivery: Delivery) -> SafeString:
        badge = looks.badge(delivery.status)
        if not delivery.failure_class:
            return badge
        why = looks.words(delivery.failure_class)
        return format_html('{}<span class="sub">{}</span>', badge, why)

    @admin.display(description="Next try")
    def next(self, delivery: Delivery) -> SafeString:
        return looks.moment(delivery.wake_at)

    @admin.display(description="Approved")
    def made(self, delivery: Delivery) -> SafeString:
        return looks.moment(delivery.created_at)

    # ---- actions -------------------------------------------------------------------
    @admin.action(description="Resend selected deliveries", permissions=["resend"])
    def resend_selected(self, request: HttpRequest, rows: QuerySet[Delivery]) -> None:
        ways_on.apply_to_all(self, request, "resend", rows)

    @admin.action(description="Confirm that selected arrived", permissions=["resend"])
    def confirm_selected(self, request: HttpRequest, rows: QuerySet[Delivery]) -> None:
        ways_on.apply_to_all(self, request, "confirm", rows)

    @admin.action(description="Withdraw selected deliveries", permissions=["resend"])
    def withdraw_selected(self, request: HttpRequest, rows: QuerySet[Delivery]) -> None:
        ways_on.apply_to_all(self, request, "withdraw", rows)

    # ---- the other pages -----------------------------------------------------------
    def get_urls(self) -> list[URLPattern]:
        wrap, name = self.admin_site.admin_view, "reviews_delivery"
        return [
            path("hold/<slug:verb>/", wrap(self.hold_view), name=f"{name}_hold"),
            path("<int:pk>/do/", wrap(self.act_view), name=f"{name}_act"),
            path("<int:pk>/anew/", wrap(self.anew_view), name=f"{name}_anew"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        return delivery_page.show_delivery(self, request, object_id)

    def act_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return ways_on.act(self, request, pk)

    def anew_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return delivery_page.approve_anew(self, request, pk)

    def hold_view(self, request: HttpRequest, verb: str) -> HttpResponse:
        return holding.hold(request, verb)
