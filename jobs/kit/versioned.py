"""Admin base for things with versions: old ones are shown, a new one is a form."""

import json
from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from jobs.kit.looks import words
from jobs.kit.readonly import DeskAdmin
from jobs.kit.versions import Version


class PrettyJson(forms.JSONField):
    """JSON that people read and write; left empty it is what `empty` makes."""

    widget = forms.Textarea(attrs={"rows": 8, "class": "code", "spellcheck": "false"})

    def __init__(
        self, *, empty: Callable[[], Any] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(required=False, **kwargs)
        self.empty = empty

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, (dict, list)):
            return json.dumps(value, indent=2, ensure_ascii=False)
        if value is None:
            return None  # left empty, not "null"
        return super().prepare_value(value)

    def clean(self, value: Any) -> Any:
        cleaned = super().clean(value)
        return self.empty() if cleaned is None and self.empty else cleaned


class VersionedAdmin(DeskAdmin):
    """The row itself is edited as usual; its versions are only ever added to."""

    version_model: type[Version]
    version_form: type[forms.ModelForm[Any]]
    change_form_template = "admin/versioned/change_form.html"

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_version"
        view = self.admin_site.admin_view(self.new_version)
        return [path("<int:pk>/version/", view, name=name), *super().get_urls()]

    def has_delete_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        return False  # jobs and deliveries lean on its versions

    def may_add_version(self, request: HttpRequest) -> bool:
        meta = self.version_model._meta
        return request.user.has_perm(f"{meta.app_label}.add_{meta.model_name}")

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        shown = {
            "versions": self.shown_versions(row) if row else [],
            "may_add_version": self.may_add_version(request),
            "version_url": self._version_url(object_id),
        }
        return super().change_view(
            request, object_id, form_url, shown | (extra_context or {})
        )

    def shown_versions(self, row: Any) -> list[dict[str, Any]]:
        """Each version as words and values, newest first."""
        fields = self.version_form.base_fields
        return [
            {
                "version": version,
                "facts": [
                    (field.label or words(name), self.shown_value(version, name))
                    for name, field in fields.items()
                ],
            }
            for version in row.versions.order_by("-number")
        ]

    def shown_value(self, version: Version, name: str) -> Any:
        """A field of a version, as it may be shown."""
        return getattr(version, name)

    def response_add(
        self, request: HttpRequest, obj: Model, post_url_continue: str | None = None
    ) -> HttpResponse:
        """A thing without a version is of no use yet: on to its first one."""
        if self.may_add_version(request):
            return HttpResponseRedirect(self._version_url(obj.pk))
        return super().response_add(request, obj, post_url_continue)

    def new_version(self, request: HttpRequest, pk: int) -> HttpResponse:
        """A form that begins with what the last version says."""
        if not self.may_add_version(request):
            raise PermissionDenied
        row: Any = get_object_or_404(self.model, pk=pk)
        new = self.version_model(**{self.version_model.OF: row})
        form = self.version_form(
            request.POST or None, initial=self._latest(row), instance=new
        )
        if request.method == "POST" and form.is_valid():
            version = form.save()
            said = f"Version {version.number} of “{row}” holds from now on."
            messages.success(request, said)
            return HttpResponseRedirect(self._change_url(pk))
        context = {
            **self.admin_site.each_context(request),
            "title": f"New version of {row}",
            "opts": self.opts,
            "row": row,
            "form": form,
            "back": self._change_url(pk),
        }
        status = 422 if form.errors else 200
        template = "admin/versioned/new_version.html"
        return TemplateResponse(request, template, context, status=status)

    def _latest(self, row: Any) -> dict[str, Any]:
        last = row.current
        fields = list(self.version_form.base_fields)
        return forms.model_to_dict(last, fields) if last else {}

    def _change_url(self, pk: Any) -> str:
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
        return reverse(name, args=[pk])

    def _version_url(self, pk: Any) -> str:
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_version"
        return reverse(name, args=[pk])
