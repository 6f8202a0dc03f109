"""Submitting many jobs from a file: looked at by row before anything is stored."""

import json
from collections.abc import Iterable
from typing import Any, cast
from uuid import uuid4

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse

from jobs.admin.upload_file import (
    Row,
    Unreadable,
    as_lines,
    check_rows,
    headings,
    read_file,
    read_lines,
)
from jobs.kit.canonical import sha256_hex
from jobs.models import JobType, JobTypeVersion
from jobs.services.answer_once import Answer, KeyBusy, KeyReused, answer_once
from jobs.services.invalid import InvalidInput
from jobs.services.submit_many import submit_many

LARGEST = 1_500_000  # bytes of a file, and of what becomes of it on the page
SHOWN = 50  # rows; of those with errors, and of the others
SUMMARY = 120  # characters


class UploadForm(forms.Form):
    """A file of jobs."""

    file = forms.FileField(
        label="File",
        help_text="CSV with a heading, or JSON lines; UTF-8, at most 1.5 MB and "
        "1,000 rows.",
        widget=forms.ClearableFileInput(attrs={"accept": ".csv,.jsonl,.txt"}),
    )

    def clean_file(self) -> bytes:
        file = self.cleaned_data["file"]
        if file.size > LARGEST:
            raise forms.ValidationError("It is too large: split it.")
        return bytes(file.read())


class ConfirmForm(forms.Form):
    """What was looked at, sent back; under a key, so that a second click is none."""

    rows = forms.CharField(strip=False, max_length=2 * LARGEST)
    key = forms.UUIDField()


def upload(request: HttpRequest, name: str) -> HttpResponse:
    """The form, the look at what is in the file, and at last the jobs."""
    if not request.user.has_perm("jobs.submit_job"):
        raise PermissionDenied
    job_type = get_object_or_404(JobType, name=name, is_active=True)
    version = get_object_or_404(job_type.versions.order_by("-number")[:1])
    if "rows" in request.POST:
        return _confirmed_or_told(request, version)
    form = UploadForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        try:
            return _look(
                request, version, read_file(form.cleaned_data["file"], version)
            )
        except Unreadable as why:
            form.add_error("file", str(why))
    status = 422 if form.errors else 200
    return _page(
        request,
        version,
        {"form": form, "columns": headings(version.input_schema)},
        status,
    )


def _confirmed_or_told(request: HttpRequest, version: JobTypeVersion) -> HttpResponse:
    try:
        return _confirmed(request, version)
    except KeyReused:
        why = "This page was confirmed before, with other rows. Upload the file again."
    except KeyBusy:
        why = "They are being submitted already: look at the list of jobs in a moment."
    except InvalidInput:
        why = "The job type has just changed: nothing was submitted. Look at it again."
    messages.error(request, why)
    return HttpResponseRedirect(request.path)


def _confirmed(request: HttpRequest, version: JobTypeVersion) -> HttpResponse:
    form = ConfirmForm(request.POST)
    if not form.is_valid():
        raise PermissionDenied("This is not what the page sent.")
    text, by = form.cleaned_data["rows"], cast(User, request.user)
    rows = check_rows(list(read_lines(text)), version)
    if not rows or any(row.errors for row in rows):
        return _look(request, version, rows)  # the type is another by now

    def work() -> Answer:
        name = version.job_type.name
        jobs = submit_many(by=by, wanted=[row.wanted(name) for row in rows])
        return Answer(302, json.dumps([str(job.public_id) for job in jobs]))

    key = str(form.cleaned_data["key"])
    hashed = sha256_hex(text)
    done = answer_once(
        owner=by, route=request.path, key=key, request_hash=hashed, work=work
    )
    count = len(json.loads(done.body))
    noun = "job was" if count == 1 else "jobs were"
    messages.success(request, f"{count:,} {noun} submitted.")
    return HttpResponseRedirect(reverse("admin:jobs_job_changelist"))


def _look(
    request: HttpRequest, version: JobTypeVersion, rows: list[Row]
) -> HttpResponse:
    """What would be submitted, or by row what is to be mended in the file."""
    bad = [row for row in rows if row.errors]
    payload = "" if bad else as_lines(rows)
    if len(payload.encode()) > LARGEST:
        raise Unreadable("It is too large: split it.")
    context = {
        "rows": _shown(bad or rows),
        "bad": len(bad),
        "count": len(rows),
        "left": max(0, len(bad or rows) - SHOWN),
        "payload": payload,
        "key": uuid4(),
    }
    return _page(request, version, context, 422 if bad else 200)


def _shown(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """The first of them, as a table has them."""
    return [
        {
            "number": row.number,
            "title": row.given.get("title", "") if isinstance(row.given, dict) else "",
            "summary": _summary(row),
            "errors": sorted(row.errors.items()),
        }
        for row in list(rows)[:SHOWN]
    ]


def _summary(row: Row) -> str:
    """The input, or what stands in its place; nothing where it could not be read."""
    given: Any = row.given
    shown = given.get("input") if isinstance(given, dict) else given
    return "" if shown is None else json.dumps(shown, ensure_ascii=False)[:SUMMARY]


def _page(
    request: HttpRequest,
    version: JobTypeVersion,
    context: dict[str, Any],
    status: int,
) -> HttpResponse:
    title = f"Upload many: {version.job_type}"
    shown = {"title": title, "job_type": version.job_type, **context}
    context = {**admin.site.each_context(request), **shown}
    page = "admin/jobs/job/upload.html"
    return TemplateResponse(request, page, context, status=status)
