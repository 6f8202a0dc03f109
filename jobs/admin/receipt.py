"""Webhooks in: what the provider told us, and what each event came to."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.kit import looks
from jobs.kit.readonly import ReadOnlyAdmin
from jobs.models import Attempt, Job, WebhookReceipt
from jobs.services.receive import process_again


class ReceiptList(ChangeList):
    """Adds the job that each row is about, with one question for all of them."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        ids = {row.response_id for row in self.result_list}
        visible = Job.objects.visible_to(request.user)
        runs = Attempt.objects.filter(response_id__in=ids, job__in=visible)
        runs = runs.select_related("job__version__job_type")
        jobs = {run.response_id: run.job for run in runs}
        for row in self.result_list:
            row.job = jobs.get(row.response_id)


@admin.register(WebhookReceipt)
class WebhookReceiptAdmin(ReadOnlyAdmin):
    """Newest first; read-only but for having one processed again."""

    list_display = (
        "type",
        "outcome_shown",
        "job_shown",
        "response_id",
        "received",
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

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return ReceiptList

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("jobs.retry_job")

    @admin.display(description="Outcome")
    def outcome_shown(self, receipt: WebhookReceipt) -> SafeString:
        said = receipt.get_outcome_display().capitalize()
        return looks.below(looks.badge(receipt.outcome, said), receipt.note)

    @admin.display(description="Job")
    def job_shown(self, receipt: Any) -> SafeString:
        if receipt.job is None:
            return looks.NONE
        url = reverse("admin:jobs_job_change", args=[receipt.job.pk])
        return format_html('<a href="{}">{}</a>', url, receipt.job)

    @admin.display(description="Received")
    def received(self, receipt: WebhookReceipt) -> SafeString:
        times = "once" if receipt.repeats == 1 else f"{receipt.repeats} times"
        again = f"and {times} more" if receipt.repeats else ""
        return looks.below(looks.moment(receipt.received_at), again)

    @admin.action(description="Process again", permissions=["retry"])
    def process_selected(
        self, request: HttpRequest, receipts: QuerySet[WebhookReceipt]
    ) -> None:
        for receipt in receipts:
            done = process_again(receipt, by=request.user)
            outcome = done.get_outcome_display()
            self.message_user(request, f"{receipt.type}: {outcome}.", messages.INFO)
