"""Approving several from the queue: one page shows them all, then a service acts."""

from typing import Any, cast

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.defaultfilters import pluralize
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html

from jobs.kit.numbers import whole_number
from jobs.services.rendered import html_beside_others
from reviews import views
from reviews.admin import undo
from reviews.models import Review
from reviews.services.bulk import Outcome, approve_all, why_not_one_of_several
from reviews.services.decide import CommentTooLong
from reviews.services.seen import what_is_seen

MOST = 50  # as many as a page of the queue has


def confirm(
    site: AdminSite, request: HttpRequest, rows: QuerySet[Review]
) -> HttpResponse:
    """Show what would be approved and sent, and what wants a look of its own."""
    chosen = list(_whole(rows)[:MOST])
    person = cast(User, request.user)
    reasons = {review: why_not_one_of_several(review, person) for review in chosen}
    fit = [review for review in chosen if not reasons[review]]
    context = {
        **site.each_context(request),
        "title": "Approve several",
        "shown": [_shown(review) for review in fit],
        "left_out": [(review, why) for review, why in reasons.items() if why],
    }
    return TemplateResponse(request, "reviews/bulk.html", context)


def decide(request: HttpRequest) -> HttpResponse:
    """Approve those that the page showed; what is not there for one is passed over."""
    if request.method != "POST":
        raise Http404
    if not request.user.has_perm(views.DECIDE):
        raise PermissionDenied
    seen = _seen(request)
    rows = _whole(views.visible_reviews(request).filter(pk__in=list(seen)[:MOST]))
    shown, person = [(review, seen[review.pk]) for review in rows], request.user
    try:
        comment = request.POST.get("comment", "")
        _tell(request, approve_all(shown, by=cast(User, person), comment=comment))
    except CommentTooLong as refusal:
        messages.warning(request, f"Nothing was changed. {refusal}")
    return HttpResponseRedirect(reverse("admin:reviews_review_changelist"))


def _seen(request: HttpRequest) -> dict[int, str]:
    """What the page showed of each review, by its number."""
    given = {
        whole_number(name.removeprefix("seen_")): str(digest)
        for name, digest in request.POST.items()
        if name.startswith("seen_")
    }
    return {number: digest for number, digest in given.items() if number is not None}


def _whole(rows: QuerySet[Review]) -> QuerySet[Review]:
    return rows.order_by("due_at", "pk").select_related(
        "job__version__job_type", "job__requester", "result", "claimed_by"
    )


def _shown(review: Review) -> dict[str, Any]:
    review.result.job = review.job
    page = reverse("admin:reviews_review_change", args=[review.pk])
    return {
        "review": review,
        "html": html_beside_others(review.result, page),
        "seen": what_is_seen(review),
    }


def _tell(request: HttpRequest, outcome: Outcome) -> None:
    for review, why in outcome.refused:
        messages.warning(request, format_html("“{}”: {}", review.job, why))
    if outcome.done:
        count = len(outcome.done)
        lead = f"You approved {count} result{pluralize(count)}."
        done = [(decision.review, views.done_by(decision)) for decision in outcome.done]
        messages.success(request, undo.message(request, done, lead))
