"""The editor of a result under review."""

from typing import Any, cast

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from jobs.lifecycle import MoveRefused
from jobs.services.submit import InvalidInput
from reviews import views
from reviews.admin.result_form import FieldsForm, TextForm, form_for
from reviews.models import Review
from reviews.services.edit import edit_result
from reviews.services.seen import what_is_seen
from reviews.services.who_may import why_not_decide, why_not_read


def edit(site: AdminSite, request: HttpRequest, object_id: str) -> HttpResponse:
    """The form, or what came of it; a text that was refused comes back whole."""
    review = views.find_review(request, object_id)
    if why_not := why_not_edit(review, request):
        raise PermissionDenied(why_not)
    if request.method != "POST":
        if review.closed_at:
            return HttpResponseRedirect(_page_of(review))
        return _shown(site, request, review, form_for(review.result))
    form = form_for(review.result, request.POST)
    if not form.is_valid():
        return _shown(site, request, review, form, status=422)
    try:
        edited = edit_result(
            review,
            by=cast(User, request.user),
            content=form.edited(),
            base_seen=form.cleaned_data["seen"],
            comment=form.cleaned_data["comment"],
        )
    except InvalidInput as wrong:
        form.add_errors(wrong.errors)
        return _shown(site, request, review, form, status=422)
    except MoveRefused as refusal:
        return _shown(site, request, review, form, status=409, refusal=refusal)
    messages.success(request, f"Version {edited.number} is yours; it is not sent yet.")
    return HttpResponseRedirect(_page_of(review))


def why_not_edit(review: Review, request: HttpRequest) -> str:
    """Who may see the result and decide on it, may edit it."""
    person = cast(User, request.user)
    return why_not_read(review, person) or why_not_decide(review, person)


def _page_of(review: Review) -> str:
    return reverse("admin:reviews_review_change", args=[review.pk])


def _shown(
    site: AdminSite,
    request: HttpRequest,
    review: Review,
    form: TextForm | FieldsForm,
    status: int = 200,
    refusal: Exception | None = None,
) -> HttpResponse:
    """The form keeps what it was opened on: sent again, it is as stale as before."""
    context: dict[str, Any] = {
        **site.each_context(request),
        "title": f"Edit {review.job}",
        "review": review,
        "job": review.job,
        "form": form,
        "seen": request.POST.get("seen") or what_is_seen(review).digest,
        "refusal": refusal,
    }
    request.current_app = site.name
    return TemplateResponse(request, "reviews/edit.html", context, status=status)
