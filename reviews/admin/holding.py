"""Pausing deliveries from the admin: all of them, or those to one destination."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse

from jobs.kit.numbers import whole_number
from jobs.lifecycle import MoveRefused
from jobs.models import Pause
from reviews.models import Destination
from reviews.services.holding import pause_deliveries, resume_deliveries


def what_is_shown(request: HttpRequest, scope: str) -> dict[str, Any]:
    """The pause in force, and whether this person may begin or end one."""
    pause = Pause.objects.active().filter(scope=scope).first()
    right = "jobs.change_pause" if pause else "jobs.add_pause"
    return {"hold": pause, "may_hold": request.user.has_perm(right)}


def hold(request: HttpRequest, verb: str) -> HttpResponse:
    """Begin or end a pause; back to where it was asked for."""
    if verb not in ("pause", "resume") or request.method != "POST":
        raise Http404
    destination = _destination(request)
    try:
        if verb == "pause":
            note = request.POST.get("note", "")
            pause_deliveries(destination, by=request.user, note=note)  # type: ignore[arg-type]
        else:
            resume_deliveries(destination, by=request.user)  # type: ignore[arg-type]
    except MoveRefused as refusal:
        messages.warning(request, str(refusal))
    if destination:
        url = reverse("admin:reviews_destination_change", args=[destination.pk])
        return HttpResponseRedirect(url)
    return HttpResponseRedirect(reverse("admin:reviews_delivery_changelist"))


def _destination(request: HttpRequest) -> Destination | None:
    """The one that the form names, if any."""
    named = request.POST.get("destination", "")
    if not named:
        return None
    return get_object_or_404(Destination, pk=whole_number(named))
