"""Sweeps: who starts, asks and sends, and when it last gave a sign of life."""

from django.contrib import admin
from django.utils.safestring import SafeString

from jobs.kit import looks
from jobs.kit.readonly import ReadOnlyAdmin
from jobs.models import Sweep


@admin.register(Sweep)
class SweepAdmin(ReadOnlyAdmin):
    """Read-only: they come and go by themselves."""

    list_display = ("lane", "state", "where", "started", "beat", "handled")
    list_filter = ("lane",)
    sortable_by = ()
    actions = None
    empty_title = "No sweep has run yet"
    empty_note = "Start a worker with manage.py worker."

    @admin.display(description="State")
    def state(self, sweep: Sweep) -> SafeString:
        return looks.badge("ended") if sweep.ended_at else looks.badge("at_work")

    @admin.display(description="Where")
    def where(self, sweep: Sweep) -> str:
        return f"{sweep.host}, process {sweep.pid}"

    @admin.display(description="Started")
    def started(self, sweep: Sweep) -> SafeString:
        return looks.moment(sweep.started_at)

    @admin.display(description="Last sign of life")
    def beat(self, sweep: Sweep) -> SafeString:
        return looks.moment(sweep.beat_at)
