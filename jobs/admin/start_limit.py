"""Start limits: how much may run at the provider at a time."""

from typing import Any

from django import forms
from django.contrib import admin
from django.utils import timezone

from jobs.kit import looks
from jobs.kit.readonly import DeskAdmin
from jobs.models import StartLimit


class StartLimitForm(forms.ModelForm[StartLimit]):
    class Meta:
        model = StartLimit
        fields = ("model", "most_running", "most_per_minute")

    def clean(self) -> dict[str, Any]:
        said: dict[str, Any] = super().clean() or self.cleaned_data
        if said.get("most_running") is None and said.get("most_per_minute") is None:
            raise forms.ValidationError("Set at least one of the two numbers.")
        return said


@admin.register(StartLimit)
class StartLimitAdmin(DeskAdmin):
    """Edited by managers; a change holds from the sweep's next look on."""

    form: type[forms.ModelForm[Any]] = StartLimitForm
    list_display = ("shown", "most_running", "most_per_minute", "room_now")
    sortable_by = ()
    add_label = "Add a limit"
    empty_title = "No limits"
    empty_note = (
        "Jobs start as they come. A limit lets those beyond it wait their turn."
    )

    @admin.display(description="Model")
    def shown(self, limit: StartLimit) -> str:
        return str(limit)

    @admin.display(description="May start now")
    def room_now(self, limit: StartLimit) -> Any:
        room = limit.room(timezone.now())
        return room or looks.badge("full")
