"""What comes back from the provider, applied to our rows.

Poll, webhook and "check now" all end here: they only make a job due.
"""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache

import structlog
from django.db import transaction
from django.db.models import Max
from django.utils import timezone
from jsonschema import validators
from jsonschema.protocols import Validator

from jobs.kit.canonical import canonical_json
from jobs.lifecycle import Line, Move, lock
from jobs.models import Attempt, Job, JobTypeVersion, Result
from jobs.policy.failures import FailureClass
from jobs.policy.outcomes import (
    CONVERSATION_GONE,
    Completed,
    Failed,
    Outcome,
    Progress,
    RequiresAction,
    Stopped,
    judge,
    judge_look,
    judge_start,
    judge_start_in,
)
from jobs.policy.polling import next_look_at
from jobs.provider.base import Phase, ProviderFault, Snapshot
from jobs.services import answers
from jobs.services.attempts import (
    ENDS,
    end_attempt,
    is_begun_by,
    keep_answer,
    note_snapshot,
    settle_attempt,
)
from jobs.services.batch import Batch
from jobs.services.errands import Errand, Kind
from jobs.services.expire import ENDED_UNANSWERED, OVERDUE, overdue_note
from jobs.services.failures import fail_attempt, pause_if_needed
from jobs.services.liveness import webhooks_are_alive
from jobs.services.pauses import end_pause
from jobs.services.supply import look_at_calls_at

log = structlog.get_logger(__name__)
Status = Job.Status
TWIN = "not_a_response"
ASK_AGAIN = timedelta(seconds=30)  # whether a run that was stopped has settled
GIVEN_UP = timedelta(days=3)  # after which nobody asks any more how it ended
DECIDE_WITHIN = timedelta(hours=24)  # whoever opens the review sets it to its due time


def apply(errands: Sequence[Errand]) -> int:
    """Settle these together; should one of them spoil it, each on its own.

    Returns how many were settled; one that was not is due again after its lease.
    """
    try:
        return settle(errands, timezone.now())
    except Exception:
        if len(errands) == 1:
            log.exception(
                "could not apply an answer", job=str(errands[0].job.public_id)
            )
            return 0
        return sum(apply([errand]) for errand in errands)


@transaction.atomic
def settle(errands: Sequence[Errand], now: datetime) -> int:
    """Write what came back, for every attempt that is still open; note the rest."""
    ids = {errand.job.pk for errand in errands}
    rows = Job.objects.filter(pk__in=ids).select_related("version__job_type")
    jobs = {job.pk: job for job in lock(rows)}
    attempts = Attempt.objects.in_bulk([errand.attempt.pk for errand in errands])
    _refuse_twins(errands)
    batch = Batch(now)
    for errand in errands:
        job, attempt = jobs[errand.job.pk], attempts[errand.attempt.pk]
        attempt.job = job
        batch.attempts.append(attempt)
        if isinstance(errand.reply, ProviderFault):
            pause_if_needed(errand.reply, now)
        if attempt.ended_at is None:
            _apply(batch, attempt, errand)
        else:
            _settle_late(batch, attempt, errand.reply)
        if errand.probe and isinstance(errand.reply, Snapshot):
            end_pause(errand.probe, now)
    _give_back(errands, jobs)
    batch.write()
    return len(errands)


def _refuse_twins(errands: Sequence[Errand]) -> None:
    """A start that was given the id of another attempt's response was given nothing."""
    begun = [
        (errand, errand.reply.response_id)
        for errand in errands
        if errand.kind is Kind.START and isinstance(errand.reply, Snapshot)
    ]
    holders = Attempt.objects.filter(response_id__in=[found for _, found in begun])
    held = dict(holders.values_list("response_id", "pk")) if begun else {}
    for errand, found in begun:
        if held.setdefault(found, errand.attempt.pk) != errand.attempt.pk:
            said = f"the provider gave {found}, which another attempt has"
            errand.reply = ProviderFault(said, phase=Phase.START, code=TWIN)


def _give_back(errands: Sequence[Errand], jobs: dict[int, Job]) -> None:
    """The leases end here, and with them the count of those that were lost."""
    ours = [e.job.pk for e in errands if jobs[e.job.pk].lease_until == e.lease]
    Job.objects.filter(pk__in=ours).update(lease_until=None, lost_leases=0)


def _apply(batch: Batch, attempt: Attempt, errand: Errand) -> None:
    """An answer of an open attempt: it may move the job."""
    reply, job, now = errand.reply, attempt.job, batch.now
    if isinstance(reply, Snapshot) and not is_begun_by(attempt, reply):
        return _let_go(batch, attempt)
    if isinstance(reply, Snapshot):
        note_snapshot(attempt, reply, now)
        outcome = judge(reply, validator_of(job.version))
    else:
        assert isinstance(reply, ProviderFault)
        began = attempt.accepted_at is not None
        judge_fault = _judge_look if began else _judge_start
        outcome = judge_fault(attempt, reply, now)
    if isinstance(outcome, Progress) and _took_too_long(attempt, now):
        said = "It ran past its time limit."
        outcome = Failed(FailureClass.TIMEOUT, "attempt_too_long", said)
    _follow(batch, attempt, errand, outcome)
    if isinstance(reply, Snapshot) and job.status == Status.QUEUED:
        batch.waves[0].append(_to_running(job, now))


def _let_go(batch: Batch, attempt: Attempt) -> None:
    """The id that we were given is of a response that another attempt began."""
    said = f"The provider gave it {attempt.response_id}, which is not its response."
    attempt.response_id = None
    fail_attempt(batch, attempt, None, Failed(FailureClass.LOST, "not_ours", said))


def _judge_start(attempt: Attempt, fault: ProviderFault, now: datetime) -> Outcome:
    """Of a conversation that is gone no other start is tried."""
    within = attempt.conversation
    if within is None:
        return judge_start(fault)
    outcome = judge_start_in(fault, made_at=within.made_at, now=now)
    if outcome.code == CONVERSATION_GONE:
        within.ended_at = within.ended_at or now
        within.save(update_fields=["ended_at"])
    return outcome


def _judge_look(attempt: Attempt, fault: ProviderFault, now: datetime) -> Outcome:
    since = attempt.missing_since
    outcome = judge_look(fault, missing_since=since, now=now)
    if isinstance(outcome, Progress) and outcome.missing:
        attempt.missing_since = since or now
    return outcome


def _follow(batch: Batch, attempt: Attempt, errand: Errand, outcome: Outcome) -> None:
    job, snapshot = attempt.job, errand.reply
    match outcome:
        case Progress() if batch.now >= job.deadline_at:
            end_attempt(batch, attempt, snapshot, "to be stopped")
            note, late = overdue_note(job), dict(OVERDUE)
            batch.waves[1].append(Move(job, Status.EXPIRED, note=note, changes=late))
        case Progress():
            _look_again(batch, attempt, errand, outcome.retry_after)
        case Completed() if isinstance(snapshot, Snapshot):
            end_attempt(batch, attempt, snapshot, "completed")
            _store_answer(batch, attempt, snapshot, outcome)
        case RequiresAction() if isinstance(snapshot, Snapshot):
            end_attempt(batch, attempt, snapshot, "waits for answers")
            calls = answers.tool_calls_of(attempt, snapshot)
            batch.tool_calls += calls
            waits = {"wake_at": look_at_calls_at(job, calls, batch.now)}
            note = "The model asks for answers before it goes on."
            batch.waves[1].append(
                Move(job, Status.REQUIRES_ACTION, note=note, changes=waits)
            )
        case Stopped():
            end_attempt(batch, attempt, snapshot, "cancelled at the provider")
            note = "Cancelled at the provider, not by us."
            batch.waves[1].append(Move(job, Status.CANCELLED, note=note))
        case Failed():
            fail_attempt(batch, attempt, errand.reply, outcome)


# ---- one outcome each ------------------------------------------------------------


def _look_again(
    batch: Batch, attempt: Attempt, errand: Errand, asked: float | None
) -> None:
    """Plan the next look, unless someone asked for one since we claimed the job."""
    job, steps = attempt.job, attempt.job.steps
    if isinstance(errand.reply, Snapshot):
        steps = len(errand.reply.steps)
    if steps != job.steps:
        job.steps, job.revision = steps, job.revision + 1
    if job.wake_at == errand.lease:
        began = attempt.accepted_at or batch.now
        alive = webhooks_are_alive()
        again_at = next_look_at(began, batch.now, asked=asked, webhooks_alive=alive)
        job.wake_at = min(again_at, job.deadline_at, began + _limit(job))
    batch.rescheduled.append(job)


def _store_answer(
    batch: Batch, attempt: Attempt, snapshot: Snapshot, outcome: Completed
) -> None:
    job = attempt.job
    top = Result.objects.filter(job=job).aggregate(top=Max("number"))["top"] or 0
    result = answers.result_of(attempt, outcome, top + 1, batch.now)
    batch.results.append(result)
    batch.citations += answers.citations_of(result, snapshot)
    flags = ", ".join(result.flags)
    note = f"Flagged: {flags.replace('_', ' ')}." if flags else ""
    said = {"result": result.number, "sha256": result.content_hash}
    steps = {"steps": len(snapshot.steps)}
    batch.waves[1].append(
        Move(job, Status.COMPLETED, note=note, data=said, changes=steps)
    )
    if flags or not job.version.waives_review:
        due = {"wake_at": batch.now + DECIDE_WITHIN}
        batch.waves[2].append(Move(job, Status.AWAITING_REVIEW, changes=due))


def _settle_late(
    batch: Batch, attempt: Attempt, reply: Snapshot | ProviderFault | None
) -> None:
    """An answer of an attempt that ended: kept for cost and record, moves nothing."""
    now = batch.now
    if attempt.settled_at is not None:
        return  # asked twice at once: the first answer said it all
    if isinstance(reply, Snapshot) and not is_begun_by(attempt, reply):
        attempt.response_id, attempt.wake_at = None, None
    elif isinstance(reply, Snapshot):
        first = attempt.provider_status
        note_snapshot(attempt, reply, now)
        if attempt.failure_code == ENDED_UNANSWERED:
            attempt.failure_class = attempt.failure_code = attempt.failure_message = ""
        if reply.state not in ENDS and not _given_up(attempt, now):
            attempt.wake_at = now if not first else now + ASK_AGAIN
        else:
            settle_attempt(attempt, now)
            keep_answer(batch, attempt, reply)
            attempt.follow_up = f"ended as {reply.said}"[:200]
            note = f"Attempt {attempt.number} settled as {reply.said}."
            data = {"attempt": attempt.number}
            batch.lines.append(Line(attempt.job.history, "settled", note, data))
    elif isinstance(reply, ProviderFault):
        if attempt.response_id is None:
            _note_refusal(attempt, judge_start(reply))
        elif _never_told(attempt, reply, now) or _given_up(attempt, now):
            settle_attempt(attempt, now)
        else:
            attempt.wake_at = now + ASK_AGAIN


def _never_told(attempt: Attempt, fault: ProviderFault, now: datetime) -> bool:
    """The provider has it no more, or we cannot read what it says."""
    return isinstance(_judge_look(attempt, fault, now), Failed)


def _given_up(attempt: Attempt, now: datetime) -> bool:
    """Nobody asks any more how it ended."""
    assert attempt.ended_at is not None
    return now - attempt.ended_at > GIVEN_UP


def _note_refusal(attempt: Attempt, outcome: Failed) -> None:
    """Its start was answered after all, and not accepted; or it still is lost."""
    if attempt.failure_code == ENDED_UNANSWERED:
        attempt.failure_class = outcome.failure
        attempt.failure_message = outcome.message
        if outcome.failure is not FailureClass.LOST:
            attempt.failure_code = outcome.code[:100]


def _to_running(job: Job, now: datetime) -> Move:
    """First of its moves: what was just planned for it stays as it is."""
    changes = {"wake_at": job.wake_at, "started_at": job.started_at or now}
    return Move(job, Status.RUNNING, changes=changes)


def _took_too_long(attempt: Attempt, now: datetime) -> bool:
    return now - (attempt.accepted_at or now) >= _limit(attempt.job)


def _limit(job: Job) -> timedelta:
    """How long one attempt of it may take."""
    return timedelta(seconds=job.attempt_seconds or job.version.attempt_seconds)


def validator_of(version: JobTypeVersion) -> Validator | None:
    """The validator of its output schema, made once per schema and process."""
    schema = version.output_schema
    return _validator(canonical_json(schema)) if schema else None


@lru_cache(maxsize=256)
def _validator(schema: str) -> Validator:
    found = json.loads(schema)
    return validators.validator_for(found)(found)
