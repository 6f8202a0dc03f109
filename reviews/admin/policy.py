"""Review policies: who must agree, on what, and by when."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from jobs.kit.readonly import DeskAdmin
from reviews.models import ReviewPolicy
from reviews.policy.rules import known_rules, question_of
from reviews.policy.terms import read_checks, write_checks


class ChecksField(forms.CharField):
    """Checks as lines: what the form shows and takes is text, what it gives is rows."""

    def prepare_value(self, value: Any) -> Any:
        return write_checks(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        try:
            return read_checks(super().to_python(value) or "")
        except ValueError as wrong:
            raise forms.ValidationError(list(wrong.args[0])) from wrong

    def has_changed(self, initial: Any, data: Any) -> bool:
        return self.prepare_value(initial) != data


class PolicyForm(forms.ModelForm[Model]):
    """A policy as people write it."""

    checks = ChecksField(
        required=False,
        label="To confirm before approval",
        widget=forms.Textarea(attrs={"rows": 5}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rules = "; ".join(f"{name}: {question_of(name)}" for name in known_rules())
        self.fields["checks"].help_text = (
            "One a line. “sums: Do the sums add up?” asks a person; “rule: "
            f"cites-sources” has a rule look. Rules there are — {rules} Each flag of "
            "a result is asked for by itself."
        )


@admin.register(ReviewPolicy)
class ReviewPolicyAdmin(DeskAdmin):
    """One for a version of a job type; reviews that are open keep their copy."""

    form = PolicyForm
    list_display = ("version", "approvals", "hours", "group", "four_eyes", "to_confirm")
    list_select_related = ("version__job_type", "group")
    sortable_by = ()
    actions = None
    add_label = "Add a policy"
    list_note = "A version without one: one approval in 24 hours, by any reviewer."
    empty_title = "No policies yet"
    fieldsets = (
        (None, {"fields": ("version",)}),
        (
            "Who",
            {"fields": ("approvals", "group", "four_eyes", "edit_needs_second")},
        ),
        ("What", {"fields": ("checks", "checks_citations", "allows_bulk")}),
        (
            "When",
            {
                "fields": (
                    "hours",
                    "remind_hours",
                    "escalate_hours",
                    "escalate_to",
                    "max_rounds",
                    "undo_seconds",
                )
            },
        ),
    )

    def get_readonly_fields(
        self, request: HttpRequest, obj: Model | None = None
    ) -> tuple[str, ...]:
        return ("version",) if obj else ()

    @admin.display(description="To confirm")
    def to_confirm(self, policy: ReviewPolicy) -> str:
        names = [check.get("name") or check["rule"] for check in policy.checks]
        return ", ".join([*names, *(["citations"] if policy.checks_citations else [])])
