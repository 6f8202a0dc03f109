"""Admin bases for rows that people look at and do not edit."""

from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest

if TYPE_CHECKING:
    Base = admin.ModelAdmin[Model]
else:
    Base = admin.ModelAdmin

MOST_ROWS = 10_000  # a count beyond this reads the whole table, on every page


class CappedPaginator(Paginator[Any]):
    """Counts no further than pages make sense; filters reach the rest."""

    object_list: QuerySet[Any]

    @cached_property
    def _rows(self) -> int:
        return self.object_list.order_by()[: MOST_ROWS + 1].count()

    @property
    def is_capped(self) -> bool:
        return self._rows > MOST_ROWS

    @cached_property
    def count(self) -> int:
        return min(self._rows, MOST_ROWS)


class DeskAdmin(Base):
    """How all our lists behave: no dear counts, fifty rows, no 'show all'."""

    paginator = CappedPaginator
    show_full_result_count = False
    list_per_page = 50
    list_max_show_all = 0
    show_facets = admin.ShowFacets.NEVER
    list_title = ""
    list_note = ""
    add_label = ""
    empty_title = ""
    empty_note = ""

    def get_action_choices(
        self, request: HttpRequest, default_choices: Any = (("", "With selected…"),)
    ) -> Any:
        return super().get_action_choices(request, list(default_choices))

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        words = ("list_title", "list_note", "add_label", "empty_title", "empty_note")
        said = {name: getattr(self, name) for name in words}
        return super().changelist_view(request, said | (extra_context or {}))


class ReadOnlyAdmin(DeskAdmin):
    """Rows that only services write: nobody adds, changes or deletes them here."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        return False

    def has_delete_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        return False
