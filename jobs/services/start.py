"""Beginning runs, and looking at them: the errands for jobs that were claimed."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.conf import settings
from django.utils.crypto import salted_hmac

from jobs.models import Attempt, Conversation, Job
from jobs.models.job_type import CompletionWindow
from jobs.provider.base import StartRequest
from jobs.services.errands import Errand, Kind

Reason = Attempt.Reason


def begin_attempts(queued: list[Job], lease: datetime, now: datetime) -> list[Errand]:
    """A new attempt for each, and what the provider is asked to do."""
    last, now_in = _last_attempts(queued), _conversations(queued)
    attempts = [
        _next_attempt(job, last.get(job.pk), now_in.get(job.thread_id), now)
        for job in queued
    ]
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


def _conversations(jobs: Iterable[Job]) -> dict[int | None, Conversation]:
    """Of each thread the one that its jobs run in now."""
    threads = {job.thread_id for job in jobs if job.thread_id}
    if not threads:
        return {}
    found = Conversation.objects.filter(thread__in=threads, ended_at=None)
    return {conversation.thread_id: conversation for conversation in found}


def _next_attempt(
    job: Job, last: Attempt | None, within: Conversation | None, now: datetime
) -> Attempt:
    """Its tries count since a person last set it going."""
    goes_on = last is not None and job.next_reason == Reason.RETRY
    return Attempt(
        job=job,
        number=last.number + 1 if last else 1,
        tries=last.tries + 1 if last and goes_on else 1,
        reason=job.next_reason,
        follows=job.continues,
        conversation=within,
        input=job.next_input,
        created_at=now,
    )


def _request(job: Job, attempt: Attempt) -> StartRequest:
    version, follows = job.version, attempt.follows
    within = attempt.conversation  # which has what was said: then nothing is continued
    window = version.completion_window
    return StartRequest(
        model=version.model,
        input=said_to_the_model(attempt),
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
        conversation_id=(within and within.conversation_id) or "",
        previous_response_id=((follows and not within and follows.response_id) or ""),
        completion_window="" if window == CompletionWindow.SOONEST else window,
        moderation=version.moderation,
        max_tool_calls=version.max_tool_calls,
        safety_identifier=_identifier(job) if version.sends_safety_identifier else "",
    )


def said_to_the_model(attempt: Attempt) -> Any:
    """The prompt; where a response is continued, what is said in its stead.

    In a thread, the conversation must have what is continued; else both are said.
    """
    job, follows = attempt.job, attempt.follows
    prompt, instead = job.version.render_prompt(job.input), job.next_input
    if not instead or not isinstance(instead, str) or not attempt.conversation_id:
        return instead or prompt
    if follows and follows.stands_in(attempt.conversation_id):
        return instead
    return f"{prompt}\n\n{instead}"


def _identifier(job: Job) -> str:
    """Tells requesters apart at the provider, and names none of them."""
    salt, who = "bgreview.safety_identifier", str(job.requester_id)
    return salted_hmac(salt, who, algorithm="sha256").hexdigest()
