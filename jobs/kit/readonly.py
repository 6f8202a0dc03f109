"""Admin bases for rows that people look at and do not edit."""

from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse

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


class PlainForms(Base):
    """Forms as ours are: named after the thing, and with nothing to make beside it."""

    def formfield_for_dbfield(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field and isinstance(field.widget, RelatedFieldWidgetWrapper):
            field.widget = field.widget.widget  # without its icons
        return field

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        name = str(obj) if obj else f"New {self.opts.verbose_name}"
        context |= {"title": name, "subtitle": None}
        context["adminform"].form.label_suffix = ""
        return super().render_change_form(request, context, add, change, form_url, obj)


class DeskAdmin(PlainForms):
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
