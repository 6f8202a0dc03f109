"""Webhooks in: what the provider told us, and what each event came to."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.kit import looks
from jobs.kit.readonly import ReadOnlyAdmin
from jobs.models import Attempt, WebhookReceipt
from jobs.services.receive import process_again


@admin.register(WebhookReceipt)
class WebhookReceiptAdmin(ReadOnlyAdmin):
    """Newest first; read-only but for having one processed again."""

    list_display = (
        "type",
        "outcome_shown",
        "job_shown",
        "response_id",
        "received",
        "repeats",
        "note",
    )
    list_filter = ("outcome", "received_at")
    list_display_links = None
    search_fields = ("=response_id", "=webhook_id")
    search_help_text = "Response id or webhook id"
    ordering = ("-received_at", "-id")
    sortable_by = ()
    actions = ("process_selected",)
    empty_title = "No webhooks yet"
    empty_note = "manage.py registerwebhook has the provider send them."

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookReceipt]:
        attempts = Attempt.objects.filter(response_id=OuterRef("response_id"))
        rows = WebhookReceipt.objects.order_by(*self.ordering)
        return rows.annotate(job_id=Subquery(attempts.values("job_id")[:1]))

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("jobs.retry_job")

    @admin.display(description="Outcome")
    def outcome_shown(self, receipt: WebhookReceipt) -> SafeString:
        return looks.badge(receipt.outcome)

    @admin.display(description="Job")
    def job_shown(self, receipt: Any) -> SafeString:
        if receipt.job_id is None:
            return looks.NONE
        url = reverse("admin:jobs_job_change", args=[receipt.job_id])
        return format_html('<a href="{}">Job {}</a>', url, receipt.job_id)

    @admin.display(description="Received")
    def received(self, receipt: WebhookReceipt) -> SafeString:
        return looks.moment(receipt.received_at)

    @admin.action(description="Process again", permissions=["retry"])
    def process_selected(
        self, request: HttpRequest, receipts: QuerySet[WebhookReceipt]
    ) -> None:
        for receipt in receipts:
            done = process_again(receipt, by=request.user)
            outcome = done.get_outcome_display()
            self.message_user(request, f"{receipt.type}: {outcome}.", messages.INFO)
