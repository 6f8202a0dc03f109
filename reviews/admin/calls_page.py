"""The page on which the calls of one job are answered, allowed or refused."""

from itertools import chain
from typing import Any, cast

from django import forms
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse

from jobs.kit.numbers import whole_number
from jobs.lifecycle import MoveRefused
from jobs.models import Job, ToolCall
from jobs.services.submit import InvalidInput
from jobs.services.supply import FUNCTION, LONGEST_ANSWER, waiting_attempt
from reviews.admin.result_form import plain_breaks
from reviews.models import ToolDecision
from reviews.services.answer_call import RIGHT, Said, answer_calls, why_not_answer

DONE = {"answer": "was answered", "allow": "was allowed", "refuse": "was refused"}


class CallForm(forms.Form):
    """What is said to one call, and the hash of what the page showed of it."""

    verdict = forms.ChoiceField(choices=ToolDecision.Verdict.choices)
    seen = forms.CharField(max_length=64)
    text = forms.CharField(
        required=False,
        max_length=LONGEST_ANSWER,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 4, "class": "code"}),
    )

    def __init__(self, call: ToolCall, data: Any = None) -> None:
        super().__init__(data, auto_id=f"id_{call.pk}_%s")
        is_function = call.kind == FUNCTION
        self.fields["text"].label = "Answer, or why not" if is_function else "Reason"
        self.fields["text"].help_text = (
            "Text or JSON; the model is told exactly this."
            if is_function
            else "Told to the model; needed to refuse."
        )

    def said(self, call: ToolCall) -> Said:
        given = self.cleaned_data
        text = plain_breaks(given["text"])
        return Said(call.call_id, given["verdict"], given["seen"], text)


def may_look(request: HttpRequest) -> bool:
    """Whether this person may see what the model asks for."""
    may = request.user.has_perm
    return may(RIGHT) or may("jobs.view_unapproved")


def answer(site: AdminSite, request: HttpRequest, object_id: str) -> HttpResponse:
    """The page of the call's job; a POST says something to this one call."""
    call = _find(request, object_id)
    if request.method != "POST":
        return _page(site, request, call.attempt.job)
    if not request.user.has_perm(RIGHT):
        raise PermissionDenied
    form = CallForm(call, request.POST)
    if not form.is_valid():
        return _page(site, request, call.attempt.job, call, form, status=422)
    try:
        person = cast(User, request.user)
        answer_calls(call.attempt.job, [form.said(call)], by=person)
    except InvalidInput as wrong:
        form.add_error("text", [*chain(*wrong.errors.values())])
        return _page(site, request, call.attempt.job, call, form, status=422)
    except (MoveRefused, PermissionDenied) as refusal:
        code = 403 if isinstance(refusal, PermissionDenied) else 409
        job = _find(request, object_id).attempt.job
        return _page(site, request, job, call, form, refusal=refusal, status=code)
    return _on(request, call, DONE[form.cleaned_data["verdict"]])


def _find(request: HttpRequest, object_id: str) -> ToolCall:
    if not may_look(request):
        raise PermissionDenied
    rows = ToolCall.objects.filter(
        attempt__job__in=Job.objects.visible_to(request.user)
    )
    path = "attempt__job__version__job_type"
    return get_object_or_404(rows.select_related(path), pk=whole_number(object_id))


def _on(request: HttpRequest, call: ToolCall, done: str) -> HttpResponse:
    """To the next open call of the job; after the last, to the job, which goes on."""
    job = call.attempt.job
    messages.success(request, f"The call {done}.")
    left = ToolCall.objects.filter(attempt__job=job).open().order_by("pk").first()
    if left is None:
        return HttpResponseRedirect(reverse("admin:jobs_job_change", args=[job.pk]))
    return HttpResponseRedirect(reverse("admin:jobs_toolcall_change", args=[left.pk]))


def _page(
    site: AdminSite,
    request: HttpRequest,
    job: Job,
    sent: ToolCall | None = None,
    form: CallForm | None = None,
    refusal: Exception | None = None,
    status: int = 200,
) -> HttpResponse:
    why_not = why_not_answer(job, cast(User, request.user))
    calls = ToolCall.objects.filter(attempt=waiting_attempt(job))
    waits = job.status == Job.Status.REQUIRES_ACTION
    context = {
        **site.each_context(request),
        "title": f"Answer {job}",
        "job": job,
        "waits": waits,
        "why_not": why_not if waits else "",
        "refusal": refusal,
        "lost": form["text"].value() if form and refusal else "",
        "calls": [
            {
                "call": call,
                "form": form if form and sent == call else CallForm(call),
                "can_answer": waits and call.is_open and not why_not,
            }
            for call in calls.select_related("decision__by", "answered_by")
        ],
    }
    request.current_app = site.name
    return TemplateResponse(request, "reviews/calls.html", context, status=status)
