"""Pauses: why new starts or deliveries wait."""

from django.contrib import admin
from django.utils.safestring import SafeString

from jobs.kit import looks
from jobs.kit.readonly import ReadOnlyAdmin
from jobs.models import Pause


@admin.register(Pause)
class PauseAdmin(ReadOnlyAdmin):
    """Read-only: they begin and end through their services."""

    list_display = ("what", "state", "reason", "note", "actor", "began", "ended")
    sortable_by = ()
    actions = None
    list_filter = ("reason",)
    empty_title = "Nothing is paused"
    empty_note = "Jobs start and deliveries leave as they come."

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
