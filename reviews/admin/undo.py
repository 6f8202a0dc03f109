"""The time in which an approval can be taken back, as pages show it."""

from collections.abc import Sequence
from typing import Any, cast

from django.contrib.auth.models import User
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe

from jobs.models import Job
from reviews.models import Review
from reviews.services.recall import leaves_at, may_recall


def what_is_shown(request: HttpRequest, job: Job) -> dict[str, Any]:
    """Until when nothing leaves, and where it is taken back by those who may."""
    at = leaves_at(job, timezone.now())
    if at is None:
        return {}
    url = reverse("admin:reviews_review_job", args=[job.pk, "recall"])
    may = may_recall(cast(User, request.user))
    return {"leaves_at": at, "take_back_url": url if may else ""}


def message(
    request: HttpRequest, done: Sequence[tuple[Review, str]], lead: str = ""
) -> SafeString:
    """What was done with each review, and where it is taken back while it can be."""
    jobs = Job.objects.in_bulk([review.job_id for review, _ in done])
    rows = [
        {
            "job": jobs[review.job_id],
            "job_url": reverse("admin:jobs_job_change", args=[review.job_id]),
            "done": words,
            "undo": what_is_shown(request, jobs[review.job_id]),
        }
        for review, words in done
    ]
    shown = {"approved": rows, "lead": lead}
    return mark_safe(  # noqa: S308  (a template of ours)
        render_to_string("admin/reviews/approved.html", shown, request).strip()
    )
