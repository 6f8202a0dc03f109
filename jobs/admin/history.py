"""Rows that only ever grow: shown on the job page, never edited, not in the menu."""

from django.contrib import admin

from jobs.kit.readonly import ReadOnlyAdmin
from jobs.models import Attempt, JobEvent


class HiddenAdmin(ReadOnlyAdmin):
    """Reachable by address, for those with the right to view; not in the menu."""

    sortable_by = ()
    actions = None


@admin.register(JobEvent)
class JobEventAdmin(HiddenAdmin):
    list_display = ("seq", "job", "kind", "was", "became", "actor", "at")
    list_select_related = ("job__version__job_type",)
    ordering = ("-pk",)


@admin.register(Attempt)
class AttemptAdmin(HiddenAdmin):
    list_display = (
        "number",
        "job",
        "reason",
        "created_at",
        "ended_at",
        "failure_class",
    )
    list_select_related = ("job__version__job_type",)
    ordering = ("-pk",)
