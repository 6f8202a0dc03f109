"""Destinations, and the versions that say where and how."""

import re
from collections.abc import Callable
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.core.validators import validate_email
from django.db.models import Model, OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.safestring import SafeString

from jobs.kit import looks
from jobs.kit.versioned import PrettyJson, VersionedAdmin
from jobs.kit.versions import Version
from reviews.admin import holding, trying
from reviews.delivery.guard import Forbidden, check_literal, parts_of
from reviews.delivery.headers import RESERVED
from reviews.models import Destination, DestinationVersion
from reviews.services.rotate import new_secret

HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
VALUE = re.compile(r"[\x20-\x7e\t]*")


def check_url(address: str) -> None:
    try:
        check_literal(parts_of(address))
    except Forbidden as error:
        raise forms.ValidationError(str(error)) from error


def check_mail(address: str) -> None:
    for one in address.split(","):
        validate_email(one.strip())


def check_handler(address: str) -> None:
    if address not in settings.DELIVERY_HANDLERS:
        known = ", ".join(settings.DELIVERY_HANDLERS) or "none"
        said = f"This is not in the setting DELIVERY_HANDLERS; there: {known}."
        raise forms.ValidationError(said)


Kind = Destination.Kind
CHECKS: dict[str, Callable[[str], None]] = {
    Kind.WEBHOOK: check_url,
    Kind.EMAIL: check_mail,
    Kind.HANDLER: check_handler,
}


class DestinationVersionForm(forms.ModelForm[DestinationVersion]):
    """Address and headers."""

    headers = PrettyJson(
        empty=dict, help_text='Names and values: {"X-Team": "support"}.'
    )

    class Meta:
        model = DestinationVersion
        fields = ("address", "headers")
        help_texts = {
            "address": "A URL; mail addresses with commas between; or the name of a "
            "handler, as in the setting DELIVERY_HANDLERS."
        }

    def clean_headers(self) -> Any:
        headers = self.cleaned_data["headers"]
        plain = isinstance(headers, dict) and all(
            isinstance(value, str) for value in headers.values()
        )
        if not plain:
            raise forms.ValidationError("This must be an object of texts.")
        for name, value in headers.items():
            if name.lower() in RESERVED:
                raise forms.ValidationError(f"{name} is ours to set.")
            if not (HEADER.fullmatch(name) and VALUE.fullmatch(value)):
                raise forms.ValidationError(f"{name!r} is no header HTTP can carry.")
        return headers

    def clean_address(self) -> str:
        """A URL we would connect to, mail addresses, or a function we may call."""
        address: str = self.cleaned_data["address"].strip()
        CHECKS[self.instance.destination.kind](address)
        return address


@admin.register(Destination)
class DestinationAdmin(VersionedAdmin):
    """Where approved results may go."""

    list_display = ("name", "kind", "state", "address", "types")
    search_fields = ("name",)
    fields = ("name", "kind", "job_types", "takes_callbacks", "is_active")
    ordering = ("name",)
    sortable_by = ()
    version_model = DestinationVersion
    version_form = DestinationVersionForm
    add_label = "Add a destination"
    empty_title = "No destinations yet"
    empty_note = "Without one, approved results stay here."
    actions = None
    change_form_template = "admin/reviews/destination/change_form.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        last = DestinationVersion.objects.filter(destination=OuterRef("pk"))
        newest = last.order_by("-number").values("address")[:1]
        rows = super().get_queryset(request).annotate(newest=Subquery(newest))
        return rows.prefetch_related("job_types")

    def get_readonly_fields(
        self, request: HttpRequest, obj: Model | None = None
    ) -> tuple[str, ...]:
        return ("kind",) if obj else ()

    def get_urls(self) -> list[URLPattern]:
        wrap, name = self.admin_site.admin_view, "reviews_destination"
        return [
            path("<int:pk>/probe/", wrap(self.probe_view), name=f"{name}_probe"),
            path("<int:pk>/rotate/", wrap(self.rotate_view), name=f"{name}_rotate"),
            *super().get_urls(),
        ]

    def probe_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return trying.probe(self, request, pk)

    def rotate_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return trying.rotate(self, request, pk)

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponse:
        """The one time that the secret of a new webhook is shown."""
        onward = super().response_add(request, obj, post_url_continue)
        if obj.kind != Destination.Kind.WEBHOOK:
            return onward
        return trying.show_secret(self, request, obj, obj.secret, onward["Location"])

    def save_model(
        self, request: HttpRequest, obj: Any, form: Any, change: bool
    ) -> None:
        """A webhook is signed from its first delivery on."""
        if obj.kind == Destination.Kind.WEBHOOK and not obj.secret:
            obj.secret = new_secret()
        if obj.is_active:
            obj.off_because = ""
        super().save_model(request, obj, form, change)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Besides: whether it rests, and the pause of its deliveries."""
        row: Any = self.get_object(request, object_id)
        shown: dict[str, Any] = {}
        if row:
            shown = holding.what_is_shown(request, row.pause_scope)
            shown["rests"] = row.rests(timezone.now())
            shown["may_try"] = self.has_change_permission(request, row)
            shown["rotating"] = len(row.secrets_at(timezone.now())) > 1
        return super().change_view(
            request, object_id, form_url, shown | (extra_context or {})
        )

    def shown_value(self, version: Version, name: str) -> Any:
        """Headers may hold credentials: their names are enough."""
        value = super().shown_value(version, name)
        return ", ".join(value) if name == "headers" else value

    def formfield_for_manytomany(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> Any:
        kwargs["widget"] = forms.CheckboxSelectMultiple()
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    @admin.display(description="State")
    def state(self, destination: Destination) -> SafeString:
        if destination.is_active and destination.rests(timezone.now()):
            return looks.badge("resting")
        return looks.badge("active" if destination.is_active else "switched_off")

    @admin.display(description="Address")
    def address(self, destination: Any) -> Any:
        return destination.newest or looks.NONE

    @admin.display(description="Job types")
    def types(self, destination: Destination) -> Any:
        return ", ".join(map(str, destination.job_types.all())) or looks.NONE
