"""The operator's verbs in the admin: one service call each, refusals are warnings."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.html import format_html

from jobs.lifecycle import MoveRefused
from jobs.models import Job
from jobs.services.cancel import cancel_job
from jobs.services.check import check_job
from jobs.services.hold import set_legal_hold
from jobs.services.retry import retry_job

LONGEST_NOTE = 2_000  # characters


@dataclass(frozen=True)
class Verb:
    """What to call, the right it needs, and how to say that it was done.

    `takes_note`: whether it may be given a reason. `minds_news`: whether it is told
    what the page showed, to refuse what is stale.
    """

    call: Callable[..., Any]
    right: str
    done: str
    takes_note: bool = False
    minds_news: bool = False

    def apply(self, job: Job, request: HttpRequest, field: str = "shown") -> None:
        """Call it with what the form says."""
        said = {"shown": request.POST.get(field, "")} if self.minds_news else {}
        if self.takes_note:
            said["note"] = request.POST.get("note", "").strip()[:LONGEST_NOTE]
        self.call(job, by=request.user, **said)


VERBS = {
    "cancel": Verb(
        cancel_job, "jobs.cancel_job", "was cancelled", takes_note=True, minds_news=True
    ),
    "retry": Verb(retry_job, "jobs.retry_job", "will be tried again"),
    "check": Verb(check_job, "jobs.retry_job", "is looked at now"),
    "hold": Verb(
        partial(set_legal_hold, on=True), "jobs.hold_job", "is on legal hold now"
    ),
    "release": Verb(
        partial(set_legal_hold, on=False),
        "jobs.hold_job",
        "is on legal hold no longer",
    ),
}


def apply_to_all(
    desk: ModelAdmin[Any], request: HttpRequest, verb: str, jobs: QuerySet[Job]
) -> None:
    """Apply it to each; those that refuse are named, the others are counted."""
    done = 0
    for job in jobs:
        try:
            VERBS[verb].apply(job, request, f"shown-{job.pk}")
            done += 1
        except MoveRefused as refusal:
            desk.message_user(request, f"{job}: {refusal}", messages.WARNING)
    if done:
        noun = "1 job" if done == 1 else f"{done} jobs"
        text = f"{noun} {VERBS[verb].done}".replace("jobs was", "jobs were")
        desk.message_user(request, text.replace("jobs is", "jobs are") + ".")


def act(
    desk: ModelAdmin[Any], request: HttpRequest, pk: int, verb: str
) -> HttpResponse:
    """One verb on one job, from its page; back to it with what came of it."""
    if verb not in VERBS or request.method != "POST":
        raise Http404
    job = get_object_or_404(Job.objects.visible_to(request.user), pk=pk)
    chosen = VERBS[verb]
    if not request.user.has_perm(chosen.right):
        raise PermissionDenied
    try:
        chosen.apply(job, request)
        said = format_html("“{}” {}.", job, chosen.done)
        desk.message_user(request, said)
    except MoveRefused as refusal:
        desk.message_user(request, str(refusal), messages.WARNING)
    return HttpResponseRedirect(reverse("admin:jobs_job_change", args=[pk]))
