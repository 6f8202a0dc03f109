"""Findings: what the doctor found, what is still so, and what is gone."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from jobs.kit import looks
from jobs.kit.readonly import ReadOnlyAdmin
from jobs.models import Finding


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


@admin.register(Finding)
class FindingAdmin(ReadOnlyAdmin):
    """Read-only: only the doctor says that something is gone."""

    list_display = (
        "rule_shown",
        "state",
        "subject",
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
