"""The page of one delivery: where it is, what can be done, every try."""

import json
from typing import Any, cast

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse

from jobs.kit.numbers import whole_number
from jobs.lifecycle import MoveRefused
from reviews.admin import undo
from reviews.admin.ways_on import ways_of
from reviews.explain import explain_delivery
from reviews.models import Delivery
from reviews.services.approve_delivery import (
    REPLACEABLE,
    approve_delivery,
    tally_anew,
    what_is_seen_anew,
    why_not_anew,
    why_not_approve_again,
    why_not_approve_anew,
)
from reviews.services.decide import RIGHT, CommentTooLong
from reviews.services.who_may import may_read_result

PARTS = (
    "job__version__job_type",
    "destination",
    "destination_version",
    "decision__by",
    "decision__review__job",
    "result__job__version",
)


def show_delivery(
    desk: ModelAdmin[Any], request: HttpRequest, object_id: str
) -> HttpResponse:
    """The request as it was stored, every try to send it, and what comes next."""
    if not desk.has_view_permission(request):
        raise Http404
    return _page(desk, request, whole_number(object_id))


def approve_anew(desk: ModelAdmin[Any], request: HttpRequest, pk: int) -> HttpResponse:
    """Hand the decision to its service; whatever it refuses changes nothing."""
    if request.method != "POST":
        return HttpResponseRedirect(_url(pk))
    delivery, given = _find(request, pk), request.POST
    try:
        decision = approve_delivery(
            delivery,
            by=cast(User, request.user),
            seen=given.get("seen", ""),
            comment=given.get("comment", ""),
        )
    except MoveRefused as refusal:
        return _page(desk, request, pk, refusal=refusal, status=409)
    except CommentTooLong as refusal:
        return _page(desk, request, pk, refusal=refusal, status=422)
    except PermissionDenied as refusal:
        return _page(desk, request, pk, refusal=refusal, status=403)
    planned, to = decision.deliveries.first(), delivery.destination
    what_now = f"just this goes to {to}" if planned else "others approve it next"
    messages.success(request, f"Approved: {what_now}.")
    return HttpResponseRedirect(_url(planned.pk if planned else pk))


def _find(request: HttpRequest, pk: int | None) -> Any:
    rows = Delivery.objects.visible_to(request.user).select_related(*PARTS)
    return get_object_or_404(rows, pk=pk)


def _url(pk: int) -> str:
    return reverse("admin:reviews_delivery_change", args=[pk])


def _page(
    desk: ModelAdmin[Any],
    request: HttpRequest,
    pk: int | None,
    *,
    refusal: Exception | None = None,
    status: int = 200,
) -> HttpResponse:
    delivery, person = _find(request, pk), cast(User, request.user)
    context = {
        **desk.admin_site.each_context(request),
        "title": str(delivery),
        "delivery": delivery,
        "explanation": explain_delivery(delivery),
        "shown": _as_read(delivery.request),
        "readable": may_read_result(delivery.job, delivery.result, person),
        "tries": delivery.attempts.order_by("number"),
        "ways": ways_of(request, delivery),
        "refusal": refusal,
        "comment": request.POST.get("comment", ""),
        "undo": undo.what_is_shown(request, delivery.job),
        **_anew(request, delivery),
    }
    template = "admin/reviews/delivery/page.html"
    return TemplateResponse(request, template, context, status=status)


def _anew(request: HttpRequest, delivery: Delivery) -> dict[str, Any]:
    """What would go out by a new decision, to those who may make it; or why not."""
    person = cast(User, request.user)
    if delivery.status not in REPLACEABLE or not person.has_perm(RIGHT):
        return {}
    if why := why_not_anew(delivery) or why_not_approve_anew(delivery, person):
        return {"why_not_anew": why}
    seen = what_is_seen_anew(delivery)
    tally = tally_anew(delivery, seen)
    if why := why_not_approve_again(tally, person):
        return {"why_not_anew": why}
    return {"seen_anew": seen, "tally_anew": tally}


def _as_read(request: str) -> Any:
    """The stored request as fields; whatever else was stored, as it is."""
    try:
        return json.loads(request)
    except ValueError:
        return {"request": request}
