"""Marking requested changes done or not, on the review page."""

from typing import cast

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse

from jobs.lifecycle import MoveRefused
from reviews import views
from reviews.models import ChangeRequest
from reviews.services.request_changes import judge_change

MARKS = {"yes": True, "no": False}


def judge(request: HttpRequest, pk: int, change_pk: int) -> HttpResponse:
    """One mark; back to the requested changes on the page."""
    review = views.find_review(request, str(pk))
    if request.method != "POST" or request.POST.get("done") not in MARKS:
        raise Http404
    rows = ChangeRequest.objects.filter(decision__review__job=review.job_id)
    change = get_object_or_404(rows.select_related("decision__review"), pk=change_pk)
    try:
        done = MARKS[request.POST["done"]]
        judge_change(change, by=cast(User, request.user), done=done)
    except MoveRefused as refusal:
        messages.warning(request, str(refusal))
    page = reverse("admin:reviews_review_change", args=[review.pk])
    return HttpResponseRedirect(f"{page}#changes")
