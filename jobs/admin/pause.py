"""Pauses: why new starts or deliveries wait; of starts, managers begin and end them."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from jobs.kit import looks
from jobs.kit.readonly import ReadOnlyAdmin
from jobs.lifecycle import MoveRefused
from jobs.models import Pause
from jobs.services.pauses import PERSON, pause_starts, resume_starts


class PauseForm(forms.ModelForm[Pause]):
    """Of new starts; why, is shown on every page."""

    class Meta:
        model = Pause
        fields = ("note",)
        labels = {"note": "Why new starts wait"}

    def clean(self) -> dict[str, Any]:
        if Pause.objects.of_starts().filter(reason=PERSON).exists():
            raise forms.ValidationError("New starts are paused already.")
        return self.cleaned_data


@admin.register(Pause)
class PauseAdmin(ReadOnlyAdmin):
    """They begin and end through their services, and are kept."""

    form: type[forms.ModelForm[Any]] = PauseForm
    list_display = ("what", "state", "reason", "note", "actor", "began", "ended")
    sortable_by = ()
    actions = ("end_selected",)
    list_filter = ("reason",)
    add_label = "Pause new starts"
    empty_title = "Nothing is paused"
    empty_note = "Jobs start and deliveries leave as they come."

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("jobs.add_pause")

    def has_end_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("jobs.change_pause")

    def save_model(
        self, request: HttpRequest, obj: Model, form: Any, change: bool
    ) -> None:
        note = form.cleaned_data["note"]
        pause = pause_starts(by=request.user, note=note)  # type: ignore[arg-type]
        vars(obj).update(vars(pause))

    @admin.action(description="End selected pauses", permissions=["end"])
    def end_selected(self, request: HttpRequest, pauses: QuerySet[Pause]) -> None:
        for pause in pauses:
            try:
                resume_starts(pause, by=request.user)  # type: ignore[arg-type]
                self.message_user(request, "New starts go on.")
            except MoveRefused as refusal:
                self.message_user(request, f"{pause}: {refusal}", messages.WARNING)

    @admin.display(description="Paused")
    def what(self, pause: Pause) -> str:
        return looks.scope(pause.scope)

    @admin.display(description="State")
    def state(self, pause: Pause) -> SafeString:
        return looks.badge("over") if pause.ended_at else looks.badge("in_force")

    @admin.display(description="Began")
    def began(self, pause: Pause) -> SafeString:
        return looks.moment(pause.began_at)

    @admin.display(description="Ended")
    def ended(self, pause: Pause) -> SafeString:
        return looks.moment(pause.ended_at)
