"""Answering the model's calls: a person's decision on name and arguments as seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone

from jobs.kit.canonical import digest_of, sha256_hex
from jobs.kit.rights import is_service_account, name_of
from jobs.kit.strict_json import flaws
from jobs.lifecycle import MoveRefused, lock
from jobs.models import Job, ToolCall
from jobs.services.submit import InvalidInput
from jobs.services.supply import (
    FUNCTION,
    LONGEST_ANSWER,
    AlreadyAnswered,
    go_on_if_answered,
    record_answer,
    waiting_attempt,
)
from reviews.models import ToolDecision
from reviews.services.opening import terms_of
from reviews.services.seen import StalePage
from reviews.services.who_may import why_not_by

RIGHT = "jobs.answer_toolcall"
V = ToolDecision.Verdict
FITTING = {True: [V.ANSWER, V.REFUSE], False: [V.ALLOW, V.REFUSE]}
MISSING = {
    V.ANSWER: "Say what the model is told.",
    V.REFUSE: "Say why, for the model and for the record.",
}
REFUSED = "This call was refused by a person and was not made. The reason: {why}"


@dataclass(frozen=True)
class Said:
    """What is said to one call; `seen`: the hash of the name and arguments shown."""

    call_id: str
    verdict: str
    seen: str
    text: str = ""


@transaction.atomic
def answer_calls(
    job: Job, said: Sequence[Said], *, by: User, via: str = "admin"
) -> list[ToolDecision]:
    """Answer, allow or refuse these calls, all or none; once none is open it goes on.

    Raises PermissionDenied, InvalidInput, or MoveRefused if a call is not what was
    seen, was answered meanwhile, or is waited for no more.
    """
    (job,) = lock(Job.objects.filter(pk=job.pk).select_related("version"))
    if why := why_not_answer(job, by):
        raise PermissionDenied(why)
    if job.status != Job.Status.REQUIRES_ACTION:
        raise MoveRefused(f"{job} is {job.status}: it waits for no answers.")
    now = timezone.now()
    decisions = [_decide(_find(job, one), one, by, via, now) for one in said]
    go_on_if_answered(job, actor=name_of(by), now=now)
    return decisions


def why_not_answer(job: Job, person: User) -> str:
    """Why this person may not answer the calls of this job; empty when they may.

    The right, being a person, and the terms on which its results are decided: group
    and four eyes.
    """
    if not person.has_perm(RIGHT):
        return f"{name_of(person)} lacks the right {RIGHT}."
    if is_service_account(person):
        return f"{name_of(person)} is a service account: people answer calls."
    return why_not_by(terms_of(job), job, person)


def _find(job: Job, said: Said) -> ToolCall:
    """The call, if it is open and still is what was seen."""
    calls = ToolCall.objects.select_related("attempt", "answered_by")
    call = calls.filter(attempt=waiting_attempt(job), call_id=said.call_id).first()
    if call is None:
        raise InvalidInput({said.call_id: ["This job made no such call."]})
    call.attempt.job = job
    if not call.is_open:
        raise AlreadyAnswered(_who_was_first(call))
    shown = digest_of([call.name, call.arguments])
    if not shown == call.call_hash == said.seen:
        raise StalePage(f"{call} is not the call that was shown. Look at it again.")
    return call


def _who_was_first(call: ToolCall) -> str:
    who = name_of(call.answered_by) if call.answered_by else "Its handler"
    return (
        f"{who} was first: {call.name} was answered at {call.answered_at:%H:%M:%S} UTC."
    )


def _decide(
    call: ToolCall, said: Said, by: User, via: str, now: datetime
) -> ToolDecision:
    _check(call, said)
    allowed = None if call.kind == FUNCTION else said.verdict == V.ALLOW
    answer = said.text.strip()
    if call.kind == FUNCTION and said.verdict == V.REFUSE:
        answer = REFUSED.format(why=answer)
    record_answer(call, answer, now=now, by=by, allowed=allowed)
    return ToolDecision.objects.create(
        tool_call=call,
        verdict=said.verdict,
        by=by,
        at=now,
        via=via,
        call_hash=call.call_hash,
        answer_hash=sha256_hex(answer),
    )


def _check(call: ToolCall, said: Said) -> None:
    fitting = FITTING[call.kind == FUNCTION]
    if said.verdict not in fitting:
        words = " or ".join(fitting)
        raise InvalidInput({said.call_id: [f"Say {words} to {call.name}."]})
    missing = MISSING.get(V(said.verdict))
    if missing and not said.text.strip():
        raise InvalidInput({said.call_id: [missing]})
    if len(said.text) > LONGEST_ANSWER or any(flaws(said.text)):
        wrong = f"At most {LONGEST_ANSWER:,} characters, each one that can be stored."
        raise InvalidInput({said.call_id: [wrong]})
