"""Trying a destination, and its secret: shown once, when it is made."""

from typing import Any, cast

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse

from jobs.kit.numbers import whole_number
from jobs.lifecycle import MoveRefused
from reviews.models import Destination
from reviews.services.probe import probe_destination
from reviews.services.rotate import OVERLAP, rotate_secret

FOLDER = "admin/reviews/destination"


def probe(desk: ModelAdmin[Any], request: HttpRequest, pk: int) -> HttpResponse:
    """Send the test event, and show what the receiver said."""
    destination = _find(request, pk)
    try:
        found = probe_destination(destination, by=cast(User, request.user))
    except MoveRefused as refusal:
        return _back(request, destination, refusal)
    return _page(desk, request, destination, "Probe", "probe.html", probe=found)


def rotate(desk: ModelAdmin[Any], request: HttpRequest, pk: int) -> HttpResponse:
    """Replace the secret, and show the new one this once."""
    destination, given = _find(request, pk), request.POST.get("hours", "")
    hours = whole_number(given) if given else OVERLAP
    if hours is None:
        said = f"Nothing was changed. {given[:20]!r} is no number of hours."
        messages.warning(request, said)
        return HttpResponseRedirect(_url(destination))
    try:
        fresh = rotate_secret(destination, by=cast(User, request.user), hours=hours)
    except MoveRefused as refusal:
        return _back(request, destination, refusal)
    desk.log_change(request, destination, "Rotated the secret.")
    destination.refresh_from_db()
    return show_secret(desk, request, destination, fresh, _url(destination))


def show_secret(
    desk: ModelAdmin[Any],
    request: HttpRequest,
    destination: Destination,
    secret: str,
    onward: str,
) -> HttpResponse:
    """A page that, as all of the admin's, no browser keeps; `onward`: its button's."""
    shown = {"secret": secret, "onward": onward}
    return _page(desk, request, destination, "Secret", "secret.html", **shown)


def _find(request: HttpRequest, pk: int) -> Destination:
    if request.method != "POST":
        raise Http404
    return get_object_or_404(Destination, pk=pk)


def _back(
    request: HttpRequest, destination: Destination, refusal: MoveRefused
) -> HttpResponse:
    messages.warning(request, str(refusal))
    return HttpResponseRedirect(_url(destination))


def _url(destination: Destination) -> str:
    return reverse("admin:reviews_destination_change", args=[destination.pk])


def _page(
    desk: ModelAdmin[Any],
    request: HttpRequest,
    destination: Destination,
    title: str,
    template: str,
    **shown: Any,
) -> HttpResponse:
    context = {
        **desk.admin_site.each_context(request),
        "title": f"{title} of {destination}",
        "word": title,
        "destination": destination,
        "back": _url(destination),
        **shown,
    }
    return TemplateResponse(request, f"{FOLDER}/{template}", context)
