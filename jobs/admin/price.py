"""Prices: what the tokens of each model cost, from a day on."""

from django.contrib import admin

from jobs.kit.readonly import DeskAdmin
from jobs.models import Price


@admin.register(Price)
class PriceAdmin(DeskAdmin):
    """Kept by managers, for what they run; costs of jobs are told by these."""

    list_display = ("model", "since", "input", "output")
    sortable_by = ()
    add_label = "Add a price"
    list_note = "In dollars for a million tokens. A new price holds from its day on."
    empty_title = "No prices"
    empty_note = "Without them jobs count tokens, and no cost is shown."
