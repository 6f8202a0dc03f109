"""The review page: what the model wrote beside its evidence, and the decision."""

from collections.abc import Callable
from typing import Any, cast

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from jobs.admin.job_page import attempts_of
from jobs.explain import explain
from jobs.kit.numbers import whole_number
from jobs.lifecycle import MoveRefused
from jobs.models import Job
from jobs.rendering import render_value
from jobs.services.rendered import html_of
from reviews import desk, versions
from reviews.admin import undo
from reviews.evidence import evidence_of
from reviews.forms import DecisionForm
from reviews.models import Decision, Review
from reviews.models.review import VIEW, ReviewQuerySet
from reviews.services.approvals import tally_of
from reviews.services.decide import CommentNeeded, approve, reject
from reviews.services.request_changes import request_changes
from reviews.services.viewing import note_viewing, readings_of
from reviews.services.who_may import may_read


def _request_changes(review: Review, *, comment: str, **seen_by: Any) -> Decision:
    return request_changes(review, feedback=comment.splitlines(), **seen_by)


SERVICES: dict[str, Callable[..., Decision]] = {
    "approve": approve,
    "reject": reject,
    "request_changes": _request_changes,
}
DONE = {
    "approve": "was approved",
    "reject": "was rejected",
    "request_changes": "went back to the model",
}
DECIDE = "reviews.decide_review"


def may_look(request: HttpRequest) -> bool:
    """Whether this person may see the queue and the review pages."""
    return any(request.user.has_perm(right) for right in VIEW)


def visible_reviews(request: HttpRequest) -> ReviewQuerySet:
    """Reviews of the jobs that this person may see."""
    return Review.objects.visible_to(request.user)


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
    return get_object_or_404(rows, pk=whole_number(object_id))


def show_review(site: AdminSite, request: HttpRequest, object_id: str) -> HttpResponse:
    """The page as it is now; when a reviewer first sees it is noted."""
    review = find_review(request, object_id)
    response = _page(site, request, review)
    if (response.context_data or {}).get("can_decide"):
        note_viewing(review, by=cast(User, request.user))
    return response


def show_with_comment(
    site: AdminSite, request: HttpRequest, object_id: str, comment: str
) -> HttpResponse:
    """The page with a comment that was begun."""
    form = DecisionForm(initial={"comment": comment})
    return _page(site, request, find_review(request, object_id), form=form)


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
        decision = SERVICES[given["verdict"]](
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
    return _to_next(request, review, done_by(decision))


def done_by(decision: Decision) -> str:
    """What this decision did; one of several approvals does nothing by itself."""
    review = decision.review
    if review.job.status == Job.Status.AWAITING_REVIEW:
        return f"has {tally_of(review).sentence}"
    return DONE[decision.verdict]


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
    messages.success(request, undo.message(request, [(review, done)]))
    at_hand = visible_reviews(request).at_hand(request.user, timezone.now())
    upcoming = at_hand.exclude(pk=review.pk).first()
    if upcoming is None:
        return HttpResponseRedirect(reverse("admin:reviews_review_changelist"))
    return HttpResponseRedirect(_url_of(upcoming))


def _neighbours(request: HttpRequest, review: Review) -> dict[str, str]:
    """Where the reviews before and after this one in the queue are."""
    others = visible_reviews(request).at_hand(request.user, timezone.now())
    before, after = others.before(review).first(), others.after(review).first()
    return {
        "before_url": _url_of(before) if before else "",
        "after_url": _url_of(after) if after else "",
    }


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
) -> TemplateResponse:
    job, result = review.job, review.result
    readable = may_read(review, cast(User, request.user))
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
        **desk.work_on(request, review, readable=readable),
        "decisions": review.decisions.select_related(
            "by", "beside", "delivery__destination"
        ),
        "attempts": attempts_of(job),
        "events": job.events.select_related("beside"),
        "readings": readings_of(review),
        **_neighbours(request, review),
        **(evidence_of(review, request.user) if readable else {}),
        **(versions.what_changed(review) if readable else {}),
    }
    request.current_app = site.name
    return TemplateResponse(request, "reviews/review_page.html", context, status=status)
