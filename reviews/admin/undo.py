"""The time in which an approval can be taken back, as pages show it."""

from typing import Any, cast

from django.contrib.auth.models import User
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

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


def hint(review: Review) -> SafeString | str:
    """For a message: until when it can be taken back, and where."""
    job = Job.objects.get(pk=review.job_id)
    at = leaves_at(job, timezone.now())
    if at is None:
        return ""
    url = reverse("admin:reviews_review_change", args=[review.pk])
    said = ' It leaves at {} UTC: <a href="{}">take it back</a>.'
    return format_html(said, f"{at:%H:%M:%S}", url)
