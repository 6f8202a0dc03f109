"""The review page: what the model wrote beside its evidence, and the decision."""

from collections.abc import Callable
from typing import Any, cast

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html

from jobs.admin.job_page import attempts_of
from jobs.explain import explain
from jobs.lifecycle import MoveRefused
from jobs.models import Citation, EvidenceTrace, Result
from jobs.rendering import render_value
from jobs.services.rendered import html_of
from reviews.admin import undo
from reviews.forms import DecisionForm
from reviews.models import Decision, Review
from reviews.models.review import ReviewQuerySet
from reviews.services.decide import (
    CommentNeeded,
    approve,
    reject,
    why_not_decide,
)
from reviews.services.seen import what_is_seen

SERVICES: dict[str, Callable[..., Decision]] = {"approve": approve, "reject": reject}
DECIDE = "reviews.decide_review"


def may_look(request: HttpRequest) -> bool:
    """Whether this person may see the queue and the review pages."""
    may = request.user.has_perm
    return may("reviews.view_review") or may(DECIDE)


def visible_reviews(request: HttpRequest) -> ReviewQuerySet:
    """Reviews of the jobs that this person may see."""
    if request.user.has_perm("jobs.view_all_jobs"):
        return Review.objects.all()
    return Review.objects.filter(job__requester_id=request.user.pk)


def find_review(request: HttpRequest, object_id: str) -> Review:
    """The review with all that its page reads, when this person may see it."""
    if not may_look(request):
        raise PermissionDenied
    rows = visible_reviews(request).select_related(
        "job__version__job_type",
        "job__requester",
        "result__attempt",
        "result__parent",
        "result__author",
        "claimed_by",
    )
    if not object_id.isdecimal():
        raise Http404
    return get_object_or_404(rows, pk=object_id)


def show_review(site: AdminSite, request: HttpRequest, object_id: str) -> HttpResponse:
    """The page as it is now."""
    return _page(site, request, find_review(request, object_id))


def decide(site: AdminSite, request: HttpRequest, object_id: str) -> HttpResponse:
    """Hand the decision to its service; whatever it refuses changes nothing."""
    review = find_review(request, object_id)
    if request.method != "POST":
        return HttpResponseRedirect(_url_of(review))
    if not request.user.has_perm(DECIDE):
        raise PermissionDenied
    form = DecisionForm(request.POST)
    if not form.is_valid():
        return _page(site, request, review, form=form, status=422)
    given = form.cleaned_data
    try:
        SERVICES[given["verdict"]](
            review, by=request.user, seen=given["seen"], comment=given["comment"]
        )
    except CommentNeeded as need:
        form.add_error("comment", str(need))
        return _page(site, request, review, form=form, status=422)
    except MoveRefused as refusal:
        if _is_repeated(review, request, given):
            return _to_next(request, review, "was already decided by you")
        review = find_review(request, object_id)
        return _page(site, request, review, form=form, refusal=refusal, status=409)
    except PermissionDenied as refusal:
        return _page(site, request, review, form=form, refusal=refusal, status=403)
    return _to_next(request, review, "was " + Decision.Verdict(given["verdict"]).label)


def _is_repeated(review: Review, request: HttpRequest, given: dict[str, Any]) -> bool:
    """A double click or the back button: this very decision stands already."""
    same = Decision.objects.filter(
        review=review,
        by=request.user.pk,
        verdict=given["verdict"],
        seen=given["seen"],
    )
    return same.exists()


def _to_next(request: HttpRequest, review: Review, done: str) -> HttpResponse:
    """On to the next in the queue, with a word about the one just left."""
    job_url = reverse("admin:jobs_job_change", args=[review.job_id])
    link = format_html('<a href="{}">{}</a>', job_url, review.job)
    messages.success(request, format_html("“{}” {}.{}", link, done, undo.hint(review)))
    upcoming = visible_reviews(request).queue().exclude(pk=review.pk).first()
    if upcoming is None:
        return HttpResponseRedirect(reverse("admin:reviews_review_changelist"))
    return HttpResponseRedirect(_url_of(upcoming))


def _url_of(review: Review) -> str:
    return reverse("admin:reviews_review_change", args=[review.pk])


def _page(
    site: AdminSite,
    request: HttpRequest,
    review: Review,
    *,
    form: DecisionForm | None = None,
    refusal: Exception | None = None,
    status: int = 200,
) -> HttpResponse:
    job, result = review.job, review.result
    readable = _is_readable(request, review)
    open_here = review.closed_at is None and readable
    why_not = why_not_decide(review, cast(User, request.user))
    context = {
        **site.each_context(request),
        "title": str(job),
        "review": review,
        "job": job,
        "result": result,
        "form": form or DecisionForm(),
        "refusal": refusal,
        "explanation": explain(job),
        "undo": undo.what_is_shown(request, job) if review.closed_at else {},
        "readable": readable,
        "result_html": html_of(result) if readable else "",
        "input_html": render_value(job.input, job.version.input_schema),
        "seen": what_is_seen(review) if open_here else None,
        "can_decide": open_here and not why_not,
        "why_not": why_not if request.user.has_perm(DECIDE) else "",
        "decisions": review.decisions.select_related(
            "by", "beside", "delivery__destination"
        ),
        "attempts": attempts_of(job),
        "events": job.events.select_related("beside"),
        "waiting": visible_reviews(request).open().exclude(pk=review.pk).count(),
        **(_evidence(result) if readable else {}),
    }
    request.current_app = site.name
    return TemplateResponse(request, "reviews/review_page.html", context, status=status)


def _is_readable(request: HttpRequest, review: Review) -> bool:
    if review.job.erased_at:
        return False
    approved = review.job.approved_hash
    if approved and approved == review.result.content_hash:
        return True
    return request.user.has_perm("jobs.view_unapproved")


def _evidence(result: Result) -> dict[str, Any]:
    """Citations, the steps behind the answer, and sources it looked at in vain."""
    citations = list(result.citations.order_by("position"))
    source = result
    while source.attempt_id is None and source.parent is not None:
        source = source.parent
    traces = list(EvidenceTrace.objects.filter(attempt=source.attempt_id))
    return {
        "citations": citations,
        "traces": traces,
        "uncited": uncited(citations, traces),
    }


def uncited(
    citations: list[Citation], traces: list[EvidenceTrace]
) -> list[dict[str, Any]]:
    """Sources the steps report and no citation names, each once, in order."""
    told = {citation.url or citation.file for citation in citations}
    found = []
    for source in (source for trace in traces for source in trace.sources):
        key = source.get("url") or source.get("file") or ""
        if key not in told:
            told.add(key)
            found.append(source)
    return found
