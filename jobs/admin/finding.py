"""Findings: what the doctor found, what is still so, and what is gone."""

import re
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.kit import looks
from jobs.kit.readonly import ReadOnlyAdmin
from jobs.models import Finding, Job

JOB_ID = re.compile(r"job ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b")


class OpenFilter(admin.SimpleListFilter):
    """What is still so, or what is gone."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", "Still so"), ("gone", "Gone")]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Finding]
    ) -> QuerySet[Finding]:
        if self.value() == "open":
            return queryset.filter(gone_at=None)
        return queryset.exclude(gone_at=None) if self.value() == "gone" else queryset


class FindingList(ChangeList):
    """Adds the job that each row is about, with one question for all of them."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        found = {row: JOB_ID.match(row.subject) for row in self.result_list}
        ids = {row: UUID(match[1]) for row, match in found.items() if match}
        jobs = Job.objects.visible_to(request.user).filter(public_id__in=ids.values())
        known = dict(jobs.values_list("public_id", "pk"))
        for row in self.result_list:
            row.job_id = known.get(ids[row]) if row in ids else None


@admin.register(Finding)
class FindingAdmin(ReadOnlyAdmin):
    """Read-only: only the doctor says that something is gone."""

    list_display = (
        "rule_shown",
        "state",
        "subject_shown",
        "sentence",
        "mendable",
        "found",
        "seen",
    )
    list_display_links = None
    list_filter = (OpenFilter,)
    search_fields = ("subject", "rule")
    search_help_text = "Id of a job, or a rule"
    sortable_by = ()
    actions = None
    list_note = (
        "The doctor looks once a day; manage.py doctor looks now, and with --repair "
        "it mends what is safe to mend."
    )
    empty_title = "Nothing found"
    empty_note = "The doctor looks once a day; manage.py doctor looks now."

    @admin.display(description="Rule")
    def rule_shown(self, finding: Finding) -> str:
        return looks.words(finding.rule)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return FindingList

    @admin.display(description="Subject")
    def subject_shown(self, finding: Any) -> SafeString:
        if finding.job_id is None:
            return format_html("{}", finding.subject)
        url = reverse("admin:jobs_job_change", args=[finding.job_id])
        return format_html('<a href="{}">{}</a>', url, finding.subject)

    @admin.display(description="State")
    def state(self, finding: Finding) -> SafeString:
        return looks.badge("gone" if finding.gone_at else "still_so")

    @admin.display(description="Can be mended")
    def mendable(self, finding: Finding) -> str:
        return "with --repair" if finding.can_repair else looks.NONE

    @admin.display(description="First seen")
    def found(self, finding: Finding) -> SafeString:
        return looks.moment(finding.found_at)

    @admin.display(description="Last seen")
    def seen(self, finding: Finding) -> SafeString:
        return looks.moment(finding.seen_at)
