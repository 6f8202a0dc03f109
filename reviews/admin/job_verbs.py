"""What reviews let people do from the page of a job: one service call each."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from jobs.lifecycle import MoveRefused
from jobs.models import Job
from reviews.models import Review
from reviews.services.recall import leaves_at, may_recall, recall_job, why_not_recall
from reviews.services.reopen import may_reopen, reopen_review, where_abandoned


@dataclass(frozen=True)
class Verb:
    """What to call, its words, how it was done, and when and to whom it is offered."""

    call: Callable[..., Any]
    words: str
    done: str
    may: Callable[[User], bool]
    fits: Callable[[Job], bool]


def _nothing_left(job: Job) -> bool:
    """While its window is open, the banner offers the same."""
    if job.status != Job.Status.APPROVED or why_not_recall(job):
        return False
    return leaves_at(job, timezone.now()) is None


VERBS = {
    "recall": Verb(
        recall_job,
        "Return to review",
        "went back to review",
        may_recall,
        _nothing_left,
    ),
    "reopen": Verb(
        reopen_review,
        "Reopen it",
        "waits for people again",
        may_reopen,
        lambda job: where_abandoned(job) is not None,
    ),
}


def offered(request: HttpRequest, job: Job) -> tuple[tuple[str, str], ...]:
    """Addresses and words of what this person can do with this job now."""
    person = cast(User, request.user)
    return tuple(
        (reverse("admin:reviews_review_job", args=[job.pk, name]), verb.words)
        for name, verb in VERBS.items()
        if verb.fits(job) and verb.may(person)
    )


def act(request: HttpRequest, pk: int, verb: str) -> HttpResponse:
    """One verb on one job; to its review, or back to its page where there is none."""
    if verb not in VERBS or request.method != "POST":
        raise Http404
    job = get_object_or_404(Job.objects.visible_to(request.user), pk=pk)
    try:
        VERBS[verb].call(job, by=request.user)
        said = format_html("“{}” {}.", job, VERBS[verb].done)
        messages.success(request, said)
    except MoveRefused as refusal:
        messages.warning(request, str(refusal))
    review = Review.objects.visible_to(request.user).open().filter(job=job).first()
    if review:
        return HttpResponseRedirect(
            reverse("admin:reviews_review_change", args=[review.pk])
        )
    return HttpResponseRedirect(reverse("admin:jobs_job_change", args=[pk]))
