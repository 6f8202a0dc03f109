"""The ways on of a delivery in the admin: one service call each."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse

from jobs.lifecycle import MoveRefused
from reviews.models import Delivery
from reviews.services.resend import RIGHT, resend_delivery
from reviews.services.withdraw import (
    ReasonNeeded,
    confirm_delivery,
    withdraw_delivery,
)

S = Delivery.Status


@dataclass(frozen=True)
class Way:
    """What to call with which word for the reason, how it looks, and when."""

    call: Callable[..., Any]
    reason: str
    label: str
    done: str
    from_: tuple[str, ...]
    tone: str = ""


WAYS = {
    "confirm": Way(
        confirm_delivery,
        "note",
        "It has arrived",
        "noted as delivered",
        (S.UNCERTAIN,),
        "primary",
    ),
    "resend": Way(
        resend_delivery,
        "note",
        "Resend",
        "set going again",
        (S.FAILED, S.UNCERTAIN),
    ),
    "withdraw": Way(
        withdraw_delivery,
        "reason",
        "Withdraw",
        "withdrawn",
        (S.PENDING, S.FAILED, S.REFUSED, S.UNCERTAIN),
        "danger",
    ),
}


def ways_of(request: HttpRequest, delivery: Delivery) -> dict[str, Way]:
    """What this person can do about it now."""
    if not request.user.has_perm(RIGHT):
        return {}
    return {name: way for name, way in WAYS.items() if delivery.status in way.from_}


def go(request: HttpRequest, delivery: Delivery, verb: str, reason: str) -> None:
    way = WAYS[verb]
    way.call(delivery, by=request.user, **{way.reason: reason})


def apply_to_all(
    desk: ModelAdmin[Any], request: HttpRequest, verb: str, rows: QuerySet[Delivery]
) -> None:
    """Each for itself; those that refuse are named, the others are counted."""
    done, reason = 0, request.POST.get("reason", "")
    for delivery in rows.defer(None).select_related("destination", "job"):
        try:
            go(request, delivery, verb, reason)
            done += 1
        except (MoveRefused, ReasonNeeded) as refusal:
            desk.message_user(request, f"{delivery}: {refusal}", messages.WARNING)
    if done:
        noun = "1 delivery was" if done == 1 else f"{done} deliveries were"
        desk.message_user(request, f"{noun} {WAYS[verb].done}.")


def act(desk: ModelAdmin[Any], request: HttpRequest, pk: int) -> HttpResponse:
    """One way on for one delivery, from its page; back to it with what came of it."""
    verb = request.POST.get("verb", "")
    if verb not in WAYS or request.method != "POST":
        raise Http404
    if not request.user.has_perm(RIGHT):
        raise PermissionDenied
    rows = Delivery.objects.visible_to(request.user).select_related("destination")
    delivery = get_object_or_404(rows, pk=pk)
    try:
        go(request, delivery, verb, request.POST.get("reason", ""))
        said = f"The delivery to {delivery.destination} was {WAYS[verb].done}."
        desk.message_user(request, said)
    except (MoveRefused, ReasonNeeded) as refusal:
        desk.message_user(request, str(refusal), messages.WARNING)
    return HttpResponseRedirect(reverse("admin:reviews_delivery_change", args=[pk]))
