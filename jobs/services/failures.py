"""What follows when an attempt brought no answer: RULES in policy/failures.py."""

import random
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F

from jobs.kit.rights import SYSTEM
from jobs.lifecycle import Line, Move, move_all
from jobs.models import Attempt, Job, Pause
from jobs.models.job_type import OnLost
from jobs.policy.failures import RULES, FailureClass, Follow, class_of_fault
from jobs.policy.outcomes import Failed
from jobs.policy.retries import look_for_lock_at, next_try_at
from jobs.provider.base import ProviderFault, Snapshot
from jobs.services.attempts import end_attempt
from jobs.services.batch import Batch

Status = Job.Status
PROBE_AFTER = timedelta(seconds=30)


def fail_attempt(
    batch: Batch,
    attempt: Attempt,
    reply: Snapshot | ProviderFault | None,
    outcome: Failed,
) -> None:
    """Retry what deserves a retry, wait out a pause, tell a person of the rest."""
    job, rule = attempt.job, RULES[outcome.failure]
    attempt.failure_class = outcome.failure
    attempt.failure_code = outcome.code[:100]
    attempt.failure_message = outcome.message
    again_at = _next_try(attempt, outcome, batch.now)
    if rule.follow is Follow.PAUSE:
        pause_starts_for(outcome.failure, outcome.message, batch.now)
        if _refused_before(attempt) < rule.tries:
            attempt.tries -= 1  # a pause costs the job no try
            again_at = batch.now + PROBE_AFTER
    if rule.follow is Follow.WAIT:
        attempt.tries -= 1  # and so does a wait
        again_at = look_for_lock_at(_refused_before(attempt), batch.now)
    decided = f"retry at {again_at:%H:%M:%S}" if again_at else rule.advice
    end_attempt(batch, attempt, reply, decided)
    if again_at:
        _queue_again(batch, attempt, again_at)
    else:
        expired = rule.follow is Follow.EXPIRE
        to = Status.EXPIRED if expired else Status.FAILED
        batch.waves[1].append(
            Move(job, to, note=outcome.message, changes=_failure(outcome))
        )


def _refused_before(attempt: Attempt) -> int:
    """How many attempts of the same job ended with the same class."""
    same = attempt.job.attempts.filter(failure_class=attempt.failure_class)
    return same.exclude(pk=attempt.pk).count()


def _queue_again(batch: Batch, attempt: Attempt, at: datetime) -> None:
    job = attempt.job
    note = f"{attempt.failure_message} Tried again at {at:%H:%M:%S} UTC."
    data = {"attempt": attempt.number, "class": str(attempt.failure_class)}
    changes = {"wake_at": at, "next_reason": Attempt.Reason.RETRY}
    if attempt.accepted_at is None:  # never accepted, so it still is queued
        Job.objects.filter(pk=job.pk).update(revision=F("revision") + 1, **changes)
        batch.lines.append(Line(job.history, "attempt", note, data))
    else:
        batch.waves[1].append(
            Move(job, Status.QUEUED, note=note, data=data, changes=changes)
        )


def end_unanswered(queued: list[Job], now: datetime) -> list[Job]:
    """End the attempts that were begun and not answered in time: we died in between.

    Of locked jobs whose lease is over. Returns those that may be begun at once; the
    others wait, or a person is told.
    """
    open_now = list(
        Attempt.objects.filter(job__in=queued, ended_at=None, response_id=None)
    )
    if not open_now:
        return queued
    jobs, batch = {job.pk: job for job in queued}, Batch(now)
    lost = Failed(
        FailureClass.LOST, "no_answer_noted", "The answer to the start was not noted."
    )
    for attempt in open_now:
        attempt.job = jobs.pop(attempt.job_id)
        batch.attempts.append(attempt)
        fail_attempt(batch, attempt, None, lost)
    batch.write()
    return list(jobs.values())


def end_poisoned(jobs: list[Job], now: datetime) -> None:
    """Give up locked jobs whose handling stopped workers, in the end even alone.

    Their runs are not asked about any more either: that may be what kills.
    """
    if not jobs:
        return
    said = (
        "Handling it failed several times, at last with nothing else in hand: whoever "
        "had it died, or could not apply what the provider said."
    )
    outcome = Failed(FailureClass.POISON, "stops_workers", said)
    ended = Attempt.objects.filter(job__in=jobs, ended_at=None)
    ended.exclude(response_id=None).update(settled_at=now)
    advice = RULES[FailureClass.POISON].advice
    given_up = f"{advice} It may still run at the provider."
    ended.update(ended_at=now, follow_up=given_up, wake_at=None, **_failure(outcome))
    afresh = {"lease_until": None, "lost_leases": 0}
    move_all(
        [
            Move(job, Status.FAILED, note=said, changes=_failure(outcome) | afresh)
            for job in jobs
        ]
    )


def pause_if_needed(fault: ProviderFault, now: datetime) -> None:
    """A refused key or a spent quota holds new starts back, once for all jobs."""
    failure = class_of_fault(fault)
    if RULES[failure].follow is Follow.PAUSE:
        pause_starts_for(failure, fault.message, now)


def pause_starts_for(failure: FailureClass, message: str, now: datetime) -> None:
    """One pause for each reason, however many jobs meet it."""
    Pause.objects.get_or_create(
        scope=Pause.STARTS,
        reason=failure.value,
        ended_at=None,
        defaults={
            "note": message[:500],
            "actor": SYSTEM,
            "began_at": now,
            "probe_at": now + PROBE_AFTER,
        },
    )


def _next_try(attempt: Attempt, outcome: Failed, now: datetime) -> datetime | None:
    version = attempt.job.version
    if outcome.failure is FailureClass.LOST and version.on_lost == OnLost.ASK:
        return None
    return next_try_at(
        outcome.failure,
        tries=attempt.tries,
        max_tries=version.max_tries,
        now=now,
        retry_after=outcome.retry_after,
        dice=random.random,
    )


def _failure(outcome: Failed) -> dict[str, Any]:
    return {
        "failure_class": outcome.failure,
        "failure_code": outcome.code[:100],
        "failure_message": outcome.message,
    }
