"""Beginning runs, and looking at them: the errands for jobs that were claimed."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.conf import settings
from django.utils.crypto import salted_hmac

from jobs.models import Attempt, Job
from jobs.models.job_type import CompletionWindow
from jobs.provider.base import StartRequest
from jobs.services.errands import Errand, Kind

Reason = Attempt.Reason


def begin_attempts(queued: list[Job], lease: datetime, now: datetime) -> list[Errand]:
    """A new attempt for each, and what the provider is asked to do."""
    last = _last_attempts(queued)
    attempts = [_next_attempt(job, last.get(job.pk), now) for job in queued]
    Attempt.objects.bulk_create(attempts)
    return [
        Errand(Kind.START, job, attempt, lease, _request(job, attempt))
        for job, attempt in zip(queued, attempts, strict=True)
    ]


def look_at(running: list[Job], lease: datetime) -> list[Errand]:
    """One question for each about its open attempt."""
    attempts = Attempt.objects.filter(job__in=running, ended_at=None)
    open_now = {attempt.job_id: attempt for attempt in attempts}
    return [
        Errand(Kind.LOOK, job, open_now[job.pk], lease)
        for job in running
        if job.pk in open_now
    ]


def _last_attempts(jobs: Iterable[Job]) -> dict[int, Attempt]:
    found = Attempt.objects.filter(job__in=jobs).order_by("job_id", "number")
    return {attempt.job_id: attempt for attempt in found}


def _next_attempt(job: Job, last: Attempt | None, now: datetime) -> Attempt:
    """Its tries count since a person last set it going."""
    goes_on = last is not None and job.next_reason == Reason.RETRY
    return Attempt(
        job=job,
        number=last.number + 1 if last else 1,
        tries=last.tries + 1 if last and goes_on else 1,
        reason=job.next_reason,
        follows=job.continues,
        input=job.next_input,
        created_at=now,
    )


def _request(job: Job, attempt: Attempt) -> StartRequest:
    version, follows = job.version, attempt.follows
    window = version.completion_window
    return StartRequest(
        model=version.model,
        input=said_to_the_model(job),
        instructions=version.instructions,
        max_output_tokens=version.max_output_tokens,
        metadata={
            "instance": settings.INSTANCE_ID,
            "job": str(job.public_id),
            "attempt": str(attempt.uuid),
        },
        output_schema=version.output_schema,
        tools=tuple(version.tools),
        options=version.options,
        previous_response_id=(follows and follows.response_id) or "",
        completion_window="" if window == CompletionWindow.SOONEST else window,
        moderation=version.moderation,
        max_tool_calls=version.max_tool_calls,
        safety_identifier=_identifier(job) if version.sends_safety_identifier else "",
    )


def said_to_the_model(job: Job) -> Any:
    """The prompt; where a response is continued, what was said in its stead."""
    return job.next_input or job.version.render_prompt(job.input)


def _identifier(job: Job) -> str:
    """Tells requesters apart at the provider, and names none of them."""
    salt, who = "bgreview.safety_identifier", str(job.requester_id)
    return salted_hmac(salt, who, algorithm="sha256").hexdigest()
