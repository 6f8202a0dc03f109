"""Retrying a job by hand: from a corrected input, or on from its last response."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from jobs.admin.job_page import find_job
from jobs.forms import ContinueForm, RetryForm
from jobs.lifecycle import MoveRefused
from jobs.models import Job
from jobs.services.retry import retry_job, why_not_retry
from jobs.services.submit import InvalidInput


def retry_one(request: HttpRequest, pk: int) -> HttpResponse:
    """Two forms side by side; a bad input comes back whole, with its errors."""
    if not request.user.has_perm("jobs.retry_job"):
        raise PermissionDenied
    job = find_job(request, str(pk))
    if request.method != "POST" and (why := why_not_retry(job)):
        return _page(request, job, {"why_not": why})
    goes_on = "continue_with" in request.POST
    corrected, continued = _forms(request, job, goes_on)
    form = continued if goes_on else corrected
    if request.method == "POST" and form.is_valid():
        try:
            return _retry(request, job, form)
        except InvalidInput as wrong:
            _add_errors(form, wrong.errors)
    shown = {
        "form": corrected,
        "continued": continued,
        "can_continue": job.attempts.exclude(response_id=None).exists(),
    }
    return _page(request, job, shown, 422 if form.errors else 200)


def _page(
    request: HttpRequest, job: Job, shown: dict[str, Any], status: int = 200
) -> HttpResponse:
    named = {"title": f"Retry {job}", "job": job}
    context = {**admin.site.each_context(request), **named, **shown}
    template = "admin/jobs/job/retry.html"
    return TemplateResponse(request, template, context, status=status)


def _forms(
    request: HttpRequest, job: Job, goes_on: bool
) -> tuple[RetryForm, ContinueForm]:
    """Only the one that was sent is bound."""
    sent = request.POST or None
    schema = job.version.input_schema
    corrected = RetryForm(schema, None if goes_on else sent, before=job.input)
    return corrected, ContinueForm(sent if goes_on else None)


def _retry(
    request: HttpRequest, job: Job, form: RetryForm | ContinueForm
) -> HttpResponse:
    how: dict[str, Any] = {"continue_with": form.cleaned_data.get("continue_with", "")}
    if isinstance(form, RetryForm) and form.changes():
        how = {"given": form.given()}
    try:
        note = form.cleaned_data["note"]
        retry_job(job, by=request.user, note=note, **how)  # type: ignore[arg-type]
        messages.success(request, f"“{job}” will be tried again.")
    except MoveRefused as refusal:
        messages.warning(request, str(refusal))
    return HttpResponseRedirect(reverse("admin:jobs_job_change", args=[job.pk]))


def _add_errors(form: RetryForm | ContinueForm, errors: dict[str, list[str]]) -> None:
    if isinstance(form, RetryForm):
        form.add_errors(errors)
    else:
        form.add_error(None, [said for them in errors.values() for said in them])
