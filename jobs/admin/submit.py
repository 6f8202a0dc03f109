"""Submitting a job by hand: choose a type, fill in the form its schema makes."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse

from jobs.forms import SubmitForm
from jobs.lifecycle import MoveRefused
from jobs.models import JobType
from jobs.services.joining import OnActive
from jobs.services.submit import InvalidInput, submit_job

HOUR = 3_600  # seconds


def choose_type(request: HttpRequest) -> HttpResponse:
    """The kinds of job there are, as cards."""
    _require_right(request)
    types = JobType.objects.filter(is_active=True, versions__isnull=False).distinct()
    context = {"title": "Submit a job", "types": types}
    return _page(request, "admin/jobs/job/choose_type.html", context)


def submit_one(request: HttpRequest, name: str) -> HttpResponse:
    """The form of one kind; a bad input comes back whole, with its errors."""
    _require_right(request)
    job_type = get_object_or_404(JobType, name=name, is_active=True)
    version = job_type.current
    schema = version.input_schema if version else {}
    form = SubmitForm(schema, request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            job = _submit(request, job_type, form)
        except InvalidInput as wrong:
            form.add_errors(wrong.errors)
        except MoveRefused as refusal:
            form.add_error("thread", str(refusal))
        else:
            messages.success(request, f"“{job}” was submitted.")
            return HttpResponseRedirect(reverse("admin:jobs_job_change", args=[job.pk]))
    context = {"title": job_type.title, "job_type": job_type, "form": form}
    status = 422 if form.errors else 200
    return _page(request, "admin/jobs/job/submit.html", context, status)


def _submit(request: HttpRequest, job_type: JobType, form: SubmitForm) -> Any:
    hours = form.cleaned_data["deadline_hours"]
    return submit_job(
        by=request.user,  # type: ignore[arg-type]
        type_name=job_type.name,
        given=form.given(),
        title=form.cleaned_data["title"],
        deadline_seconds=hours * HOUR if hours else None,
        callback_url=form.cleaned_data["callback_url"],
        thread=form.cleaned_data["thread"],
        on_active=form.cleaned_data["on_active"] or OnActive.QUEUE,
    )


def _require_right(request: HttpRequest) -> None:
    if not request.user.has_perm("jobs.submit_job"):
        raise PermissionDenied


def _page(
    request: HttpRequest, template: str, context: dict[str, Any], status: int = 200
) -> HttpResponse:
    context = {**admin.site.each_context(request), **context}
    return TemplateResponse(request, template, context, status=status)
