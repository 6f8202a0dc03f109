"""Look-ups: calls of the model that handlers of ours answer by themselves.

A claimed job is leased like any other: should we die, its handlers run once more.
What they cannot answer waits for a person.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connections, transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from jobs.kit.handlers import handler_for
from jobs.kit.rights import SYSTEM
from jobs.kit.strict_json import flaws, read_json
from jobs.lifecycle import Line, add_events, lock
from jobs.models import Attempt, Job, ToolCall
from jobs.models.job import JobQuerySet
from jobs.services.errands import LEASE
from jobs.services.supply import (
    CALL,
    FUNCTION,
    LONGEST_ANSWER,
    go_on_if_answered,
    keep_waiting,
    record_answer,
)

SECONDS = 10  # for one call; less than the lease
SUSPECT = 2  # lost leases in a row: handlers that kill workers are not asked again
MOST_TURNS = 10  # a model that asks without end waits for a person
Status = Job.Status


class Unanswered(Exception):
    """Why a handler gave no answer, in a sentence."""


@dataclass
class LookUp:
    """The calls of a claimed job on their way to handlers; `replies` in their order."""

    job: Job
    calls: list[ToolCall]
    lease: datetime
    replies: Sequence[str | Unanswered] = field(default=(), repr=False)


def answer_themselves() -> Q:
    """Jobs that wait for calls which handlers answer."""
    calls = ToolCall.objects.to_look_up(settings.TOOL_HANDLERS)
    return Q(Exists(calls.filter(attempt__job=OuterRef("pk"))))


def claim_look_ups(room: int) -> list[LookUp]:
    """Take up to `room` due jobs whose calls answer themselves."""
    if room <= 0 or not settings.TOOL_HANDLERS:
        return []
    now = timezone.now()
    due = Job.objects.due(now).filter(status=Status.REQUIRES_ACTION)
    if not due.exists():
        return []
    with transaction.atomic():
        return _claim(due.filter(answer_themselves()), room, now)


def look_up(call: ToolCall) -> str:
    """What its handler says; in a thread of its own, raises whatever goes wrong."""
    try:
        given = read_json(call.arguments.encode() or b"{}")
        if not isinstance(given, dict):
            raise Unanswered("Its arguments are no JSON object.")
        return _as_answer(handler_for(call.name)(**given))
    finally:
        connections.close_all()  # whatever the handler opened in this thread


@transaction.atomic
def note_look_up(found: LookUp) -> None:
    """Note the answers, unless the job moved on or somebody else has it in hand."""
    (job,) = lock(Job.objects.filter(pk=found.job.pk))
    if job.status != Status.REQUIRES_ACTION or job.lease_until != found.lease:
        return
    now = timezone.now()
    still_open = set(_open_calls(job).values_list("pk", flat=True))
    for call, reply in zip(found.calls, found.replies, strict=True):
        if call.pk not in still_open:
            continue  # a person was quicker
        call.attempt.job = job
        if isinstance(reply, Unanswered):
            _leave_to_people(job, call, str(reply), now)
        else:
            record_answer(call, reply, now=now)
    if not go_on_if_answered(job, actor=SYSTEM, now=now):
        keep_waiting(job)


def _claim(due: JobQuerySet, room: int, now: datetime) -> list[LookUp]:
    rows = due.select_related("version")
    jobs = rows.select_for_update(skip_locked=True, of=("self",))[:room]
    taken = (_take(job, now) for job in jobs)
    return [look_up for look_up in taken if look_up is not None]


def _take(job: Job, now: datetime) -> LookUp | None:
    """Lease a locked job, unless all its calls are left to people."""
    names = settings.TOOL_HANDLERS
    calls = list(_open_calls(job).to_look_up(names).select_related("attempt"))
    job.lost_leases += job.lease_until is not None
    for call in [*calls]:
        if why := _why_not(job, call):
            _leave_to_people(job, call, why, now)
            calls.remove(call)
    if not calls:
        keep_waiting(job)
        return None
    job.wake_at = job.lease_until = now + LEASE
    job.save(update_fields=["wake_at", "lease_until", "lost_leases"])
    return LookUp(job, calls, job.lease_until)


def _why_not(job: Job, call: ToolCall) -> str:
    """Why no handler is asked."""
    tools = job.version.tools
    if not any(t.get("name") == call.name and t["type"] == FUNCTION for t in tools):
        return "Its type offers no function of this name."
    if job.lost_leases >= SUSPECT:
        return "Whoever asked its handler died, twice."
    turns = job.attempts.filter(reason=Attempt.Reason.TOOL_OUTPUTS).count()
    return f"The model asked {turns} times already." if turns >= MOST_TURNS else ""


def _open_calls(job: Job) -> Any:
    return ToolCall.objects.filter(attempt__job=job).open()


def _leave_to_people(job: Job, call: ToolCall, why: str, now: datetime) -> None:
    ToolCall.objects.filter(pk=call.pk).update(handler_failed_at=now)
    note = f"{call.name} waits for a person. {why}"
    add_events([Line(job.history, CALL, note)], now=now)


def _as_answer(found: Any) -> str:
    text = found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)
    if len(text) > LONGEST_ANSWER:
        raise Unanswered(f"Its answer has more than {LONGEST_ANSWER:,} characters.")
    if any(flaws(text, "answer")):
        raise Unanswered("Its answer has characters that cannot be stored.")
    return text
