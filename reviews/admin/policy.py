"""Review policies: who must agree, and by when."""

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from jobs.kit.readonly import DeskAdmin
from reviews.models import ReviewPolicy


@admin.register(ReviewPolicy)
class ReviewPolicyAdmin(DeskAdmin):
    """One for a version of a job type; reviews that are open keep their copy."""

    list_display = ("version", "hours", "remind_hours", "group", "four_eyes")
    list_select_related = ("version__job_type", "group")
    sortable_by = ()
    actions = None
    add_label = "Add a policy"
    list_note = "A version without one: 24 hours, anybody who may decide."
    empty_title = "No policies yet"

    def get_readonly_fields(
        self, request: HttpRequest, obj: Model | None = None
    ) -> tuple[str, ...]:
        return ("version",) if obj else ()
