"""Supplying what the model asked for: answers are noted, then its job goes on."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import Max

from jobs.kit.canonical import sha256_hex
from jobs.kit.rights import name_of
from jobs.lifecycle import Line, Move, MoveRefused, add_events, move_all
from jobs.models import Attempt, EvidenceTrace, Job, ToolCall
from jobs.models.evidence import ToolCallQuerySet

FUNCTION, APPROVAL = "function", "mcp_approval"
CALL = "tool_call"  # the kind of event
ANSWER_WITHIN = timedelta(hours=24)  # then nobody came, unless the deadline is sooner
LONGEST_ANSWER = 200_000  # characters
LABEL = 300  # characters; EvidenceTrace.label


class AlreadyAnswered(MoveRefused):
    """Somebody was first; nothing was changed."""


def answer_by(job: Job, since: datetime | None = None) -> datetime:
    """Until when its calls wait for a person, of a job that does so `since` then."""
    if since is None:
        waits = job.events.filter(kind="status", became=Job.Status.REQUIRES_ACTION)
        since = waits.latest("seq").at
    return min(job.deadline_at, since + ANSWER_WITHIN)


def look_at_calls_at(job: Job, calls: Iterable[ToolCall], now: datetime) -> datetime:
    """When the sweep turns to a job with these calls: at once for look-ups."""
    names = settings.TOOL_HANDLERS
    by_itself = any(call.kind == FUNCTION and call.name in names for call in calls)
    return now if by_itself else answer_by(job, now)


def keep_waiting(job: Job) -> None:
    """Out of our hands: the sweep returns to it when its time is up."""
    rows = Job.objects.filter(pk=job.pk)
    rows.update(wake_at=answer_by(job), lease_until=None, lost_leases=0)


def record_answer(
    call: ToolCall,
    answer: str,
    *,
    now: datetime,
    by: User | None = None,
    allowed: bool | None = None,
) -> None:
    """Note the answer to a call of a locked job, once; it becomes evidence.

    Without a person a handler gave it. Raises AlreadyAnswered.
    """
    still_open = ToolCall.objects.filter(pk=call.pk, answered_at=None)
    noted = {
        "answer": answer,
        "allowed": allowed,
        "answered_by": by,
        "answered_at": now,
    }
    if not still_open.update(**noted):
        raise AlreadyAnswered(f"{call} was answered before. Nothing was changed.")
    _add_evidence(call, answer, by)
    data = {"call_sha256": call.call_hash, "answer_sha256": sha256_hex(answer)}
    note = f"{call.name} {_how(by, allowed)}."
    line = Line(call.attempt.job.history, CALL, note, data)
    add_events([line], actor=name_of(by), now=now)


def go_on_if_answered(job: Job, *, actor: str, now: datetime) -> bool:
    """Once nothing is open, the next attempt tells the model all the answers."""
    calls = list(ToolCall.objects.filter(attempt=waiting_attempt(job)))
    if not calls or any(call.is_open for call in calls):
        return False
    changes = {
        "wake_at": now,
        "lease_until": None,
        "lost_leases": 0,
        "next_reason": Attempt.Reason.TOOL_OUTPUTS,
        "continues": calls[0].attempt,
        "next_input": told_to_the_model(calls),
    }
    note = "All its calls were answered: it goes on."
    move_all([Move(job, Job.Status.QUEUED, note, changes=changes)], actor=actor)
    return True


def waiting_attempt(job: Job) -> Attempt | None:
    """The run whose calls the job waits for: its last."""
    return job.attempts.order_by("-number").first()


def unanswered_calls(job: Job) -> ToolCallQuerySet:
    """The calls of its last run that nobody answered, wherever the job is by now."""
    return ToolCall.objects.filter(attempt=waiting_attempt(job), answered_at=None)


def told_to_the_model(calls: Sequence[ToolCall]) -> list[dict[str, Any]]:
    """The answers, as the provider takes them."""
    return [_item(call) for call in calls]


def _item(call: ToolCall) -> dict[str, Any]:
    if call.kind == FUNCTION:
        return {
            "type": "function_call_output",
            "call_id": call.call_id,
            "output": call.answer,
        }
    said = {"reason": call.answer} if call.answer else {}
    return {
        "type": "mcp_approval_response",
        "approval_request_id": call.call_id,
        "approve": bool(call.allowed),
        **said,
    }


def _add_evidence(call: ToolCall, answer: str, by: User | None) -> None:
    traces = EvidenceTrace.objects.filter(attempt=call.attempt_id)
    top = traces.aggregate(top=Max("position"))["top"] or 0
    who = f"answered by {name_of(by)}" if by else "looked up by its handler"
    EvidenceTrace.objects.create(
        attempt=call.attempt,
        position=top + 1,
        kind=EvidenceTrace.Kind.TOOL_CALL,
        label=f"{call.name}, {who}"[-LABEL:],
        text=answer,
    )


def _how(by: User | None, allowed: bool | None) -> str:
    if allowed is not None:
        return "was allowed" if allowed else "was refused"
    return "was answered" if by else "was looked up"
