"""Claims, checks and verdicts from the review page: one service call each.

With htmx the part that changed comes back, and what the decision is made on; without,
the whole page.
"""

from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse

from jobs.lifecycle import MoveRefused
from jobs.models import Citation
from reviews import desk, views
from reviews.evidence import row_of
from reviews.models import ChangeRequest, CitationVerdict, Review
from reviews.services.checks import WhyNeeded, do_check
from reviews.services.claim import claim_review, release_review, renew_claim
from reviews.services.request_changes import judge_change
from reviews.services.seen import what_is_seen
from reviews.services.verdicts import set_verdict
from reviews.services.viewing import note_viewing
from reviews.services.who_may import may_read, why_not_decide

MARKS = {"yes": True, "no": False}


def claim(request: HttpRequest, pk: int) -> HttpResponse:
    """Take it in hand; with `take_over`, out of somebody else's."""
    review = _posted(request, pk)
    take_over = request.POST.get("take_over") == "yes"
    done = _try(request, claim_review, review, by=request.user, take_over=take_over)
    if not (done and _is_live(request)):
        return _back(request, review)
    return _claimed(request, pk)


def release(request: HttpRequest, pk: int) -> HttpResponse:
    review = _posted(request, pk)
    _try(request, release_review, review, by=request.user)
    return _back(request, review)


def renew(request: HttpRequest, pk: int) -> HttpResponse:
    """The page is still open: its claim lives on, or the page learns of its end."""
    review = _posted(request, pk)
    renew_claim(review, by=cast(User, request.user))
    return _claimed(request, pk, live=True)


def check(request: HttpRequest, pk: int, check_pk: int) -> HttpResponse:
    """Note whether one thing to be confirmed is so."""
    review, given = _posted(request, pk), request.POST
    found = desk.check_of(review, check_pk)
    if found is None or given.get("passed") not in ("yes", "no"):
        raise Http404
    done = _try(
        request,
        do_check,
        found,
        passed=given["passed"] == "yes",
        by=request.user,
        seen=given.get("seen", ""),
        why=given.get(f"why_{check_pk}", ""),
    )
    if not (done and _is_live(request)):
        return _back(request, review, f"check-{check_pk}")
    shown = {"check": desk.check_of(review, check_pk)}
    return _part(request, review, "reviews/parts/check.html", shown)


def verdict(request: HttpRequest, pk: int, citation_pk: int) -> HttpResponse:
    """Note what this person found of one citation."""
    review, given = _posted(request, pk), request.POST
    citation = _citation_of(review, citation_pk)
    finding = given.get("finding", "")
    if finding not in CitationVerdict.Verdict:
        raise Http404
    seen = given.get("seen", "")
    done = _try(
        request, set_verdict, review, citation, finding, by=request.user, seen=seen
    )
    if not (done and _is_live(request)):
        return _back(request, review, f"citation-{citation.position}")
    row = row_of(review, citation, request.user)
    return _part(request, review, "reviews/parts/citation.html", {"row": row})


def change_judged(request: HttpRequest, pk: int, change_pk: int) -> HttpResponse:
    """Note whether a requested change was made in the new version."""
    review, done = _posted(request, pk), MARKS.get(request.POST.get("done", ""))
    rows = ChangeRequest.objects.filter(decision__review__job=review.job_id)
    change = rows.select_related("decision__review").filter(pk=change_pk).first()
    if change is None or done is None:
        raise Http404
    noted = _try(request, judge_change, change, by=request.user, done=done)
    if not (noted and _is_live(request)):
        return _back(request, review, f"change-{change.pk}")
    return _part(request, review, "reviews/parts/change.html", {"change": change})


def opened(request: HttpRequest, pk: int, citation_pk: int) -> HttpResponse:
    """Note that this reviewer turned to one citation; it changes nothing else."""
    review, person = _posted(request, pk), cast(User, request.user)
    citation = _citation_of(review, citation_pk)
    if review.closed_at is None and not why_not_decide(review, person):
        note_viewing(review, by=person, citation=citation)
    return HttpResponse(status=204)


def _citation_of(review: Review, pk: int) -> Citation:
    citation = review.result.citations.filter(pk=pk).first()
    if citation is None:
        raise Http404
    return citation


def _claimed(request: HttpRequest, pk: int, **shown: Any) -> HttpResponse:
    """In whose hands it is now; with `live`, the page learns that it was its own."""
    review = views.find_review(request, str(pk))
    work = desk.work_on(
        request, review, readable=may_read(review, cast(User, request.user))
    )
    context = {"review": review, **work, **shown}
    return render(request, "reviews/parts/claim.html", context)


def _posted(request: HttpRequest, pk: int) -> Review:
    if request.method != "POST":
        raise Http404
    return views.find_review(request, str(pk))


def _try(request: HttpRequest, call: Any, *args: Any, **kwargs: Any) -> bool:
    """Whether it was done; what it was refused for is said on the next page."""
    try:
        call(*args, **kwargs)
    except (MoveRefused, PermissionDenied, WhyNeeded) as refusal:
        messages.warning(request, f"Nothing was changed. {refusal}")
        return False
    return True


def _is_live(request: HttpRequest) -> bool:
    return bool(request.headers.get("HX-Request"))


def _back(request: HttpRequest, review: Review, anchor: str = "") -> HttpResponse:
    """To the page anew, or to the queue where that was asked for.

    A comment that came along and was not asked for is still in its field there.
    """
    if _is_live(request):
        return HttpResponse(headers={"HX-Refresh": "true"})
    if comment := request.POST.get("comment"):
        return views.show_with_comment(admin.site, request, str(review.pk), comment)
    if request.POST.get("to") == "queue":
        return HttpResponseRedirect(reverse("admin:reviews_review_changelist"))
    url = reverse("admin:reviews_review_change", args=[review.pk])
    return HttpResponseRedirect(f"{url}#{anchor}" if anchor else url)


def _part(
    request: HttpRequest, review: Review, template: str, shown: dict[str, Any]
) -> HttpResponse:
    """What changed, and beside it all that the decision is made on."""
    person = cast(User, request.user)
    review = Review.objects.select_related("result__job__version", "job").get(
        pk=review.pk
    )
    bar = desk.decision_bar(review, person, what_is_seen(review))
    context = {"part": template, "review": review, "can_decide": True, **shown, **bar}
    return render(request, "reviews/parts/changed.html", context)
