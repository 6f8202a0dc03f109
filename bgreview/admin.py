"""Users and groups: the stock pages with plain boxes, which everybody can use."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.http import HttpRequest

from jobs.kit.readonly import PlainForms

admin.site.unregister([User, Group])


def plain_boxes(name: str) -> forms.Widget:
    """A list to choose several from; the long one scrolls."""
    if name.endswith("permissions"):
        return forms.SelectMultiple(attrs={"size": 14})
    return forms.CheckboxSelectMultiple()


@admin.register(User)
class PersonAdmin(PlainForms, UserAdmin):
    """Groups give rights; single permissions are the exception."""

    filter_horizontal = ()
    readonly_fields = ("last_login", "date_joined")
    list_display = ("username", "first_name", "last_name", "email", "is_staff")
    list_filter = ("is_staff", "is_active", "groups")

    def formfield_for_manytomany(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> Any:
        kwargs["widget"] = plain_boxes(db_field.name)
        return super().formfield_for_manytomany(db_field, request, **kwargs)


@admin.register(Group)
class PlainGroupAdmin(PlainForms, GroupAdmin):
    """A group and its rights."""

    filter_horizontal = ()

    def formfield_for_manytomany(
        self, db_field: Any, request: HttpRequest | None = None, **kwargs: Any
    ) -> Any:
        kwargs["widget"] = plain_boxes(db_field.name)
        return super().formfield_for_manytomany(db_field, request, **kwargs)
