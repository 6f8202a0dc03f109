"""The admin's title, its side bar and its front page."""

from functools import partial
from typing import Any, cast

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.functional import SimpleLazyObject

from jobs.models import Pause


class ReviewDesk(admin.AdminSite):
    """Django's admin with our frame around it and our own first page."""

    site_header = site_title = "bgreview"
    index_title = "Overview"
    site_url = None
    empty_value_display = "\u2013"

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """What every page shows: the side bar, the pauses, the sandbox."""
        # The side bar reads models, and those are not loaded when this module is.
        from bgreview.sidebar import sidebar

        context = super().each_context(request)
        context["sandboxed"] = settings.PROVIDER == "sandbox"
        if context["has_permission"]:
            context["sidebar"] = sidebar(request)
            context["pauses"] = Pause.objects.active()
        return context

    def get_app_list(
        self, request: HttpRequest, app_label: str | None = None
    ) -> list[Any]:
        """Made when a page shows it; with our side bar hardly one does."""
        made = partial(super().get_app_list, request, app_label)
        return cast(list[Any], SimpleLazyObject(made))

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        """The operator's dashboard: first what waits for a person."""
        from bgreview.overview import overview

        return super().index(
            request, {**overview(request.user), **(extra_context or {})}
        )
