"""Setting a job going again, by a person."""

from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from jobs.kit.canonical import digest_of
from jobs.kit.rights import name_of, require
from jobs.lifecycle import Move, MoveRefused, lock, move_all
from jobs.models import Attempt, Job
from jobs.services.submit import InvalidInput, check_input
from jobs.services.threads import why_not_run

RETRYABLE = frozenset({Job.Status.FAILED, Job.Status.CANCELLED, Job.Status.EXPIRED})
INPUT, CONTINUES = "input_sha256", "continues"  # what the history says was given
AFRESH = {  # what the job's earlier life leaves behind
    "failure_class": "",
    "failure_code": "",
    "failure_message": "",
    "lease_until": None,
    "lost_leases": 0,
}


@transaction.atomic
def retry_job(
    job: Job,
    *,
    by: User,
    note: str = "",
    given: dict[str, Any] | None = None,
    continue_with: str = "",
) -> Job:
    """Queue a failed, cancelled or expired job anew, with a deadline of its own.

    From the same input; or `given` corrects it; or the model is told `continue_with`
    and goes on from its last response. Raises MoveRefused if the job has not ended, and
    InvalidInput if what is given does not do.
    """
    require(by, "jobs.retry_job")
    if why := why_not_retry(job):
        raise MoveRefused(why)
    (as_stored,) = lock(Job.objects.filter(pk=job.pk))
    if given is not None and continue_with:
        raise InvalidInput(
            {"continue_with": ["Correct the input or continue, not both."]}
        )
    if continue_with and not continue_with.strip():
        raise InvalidInput({"continue_with": ["This must not be empty."]})
    changes: dict[str, Any] = {"continues": None, "next_input": None}
    if given is not None:
        changes |= _corrected(as_stored, given)
    if continue_with:
        last = _last_response(job)
        changes |= {"continues": last, "next_input": continue_with}
    _queue(job, name_of(by), note, changes)
    return job


def why_not_retry(job: Job) -> str:
    """Why nobody can retry it, in words; empty when it can be retried."""
    if job.status not in RETRYABLE:
        return f"{job} is {job.status}: only what has ended is retried"
    if why := why_not_run(job.thread):
        return why
    queued = Job.Status.QUEUED
    return "" if job.may_become(queued) else job.why_not(queued)


def who_had_a_say(job: Job) -> set[str]:
    """Who corrected the input that it has, and who told the model what to go on with.

    A corrected input takes the place of the one before; and whatever the model was
    told is over once the job runs from its input again.
    """
    retried = job.events.filter(was__in=RETRYABLE, became=Job.Status.QUEUED)
    corrected: set[str] = set()
    told: set[str] = set()
    for event in retried.order_by("seq"):
        corrected = {event.actor} if INPUT in event.data else corrected
        told = told | {event.actor} if CONTINUES in event.data else set()
    return corrected | told


def _queue(job: Job, actor: str, note: str, changes: dict[str, Any]) -> None:
    now = timezone.now()
    seconds = job.deadline_seconds or job.version.deadline_seconds
    again = {
        "wake_at": now,
        "next_reason": Attempt.Reason.PERSON,
        "deadline_at": now + timedelta(seconds=seconds),
    }
    data: dict[str, Any] = {}
    if "input" in changes:
        data[INPUT] = digest_of(changes["input"])
    if changes["continues"]:
        data[CONTINUES] = changes["continues"].number
    moved = {**AFRESH, **again, **changes}
    move_all([Move(job, Job.Status.QUEUED, note, data, moved)], actor=actor)


def _corrected(job: Job, given: dict[str, Any]) -> dict[str, Any]:
    """The input it gets; attempts that ran with the one it has in store keep that."""
    if errors := check_input(job.version, given):
        raise InvalidInput(errors)
    job.attempts.filter(input__isnull=True).update(input=job.input)
    return {"input": given}


def _last_response(job: Job) -> Attempt:
    """The attempt to go on from."""
    known = job.attempts.exclude(response_id=None).order_by("number")
    last = known.filter(deleted_at=None).last()
    if last is None:
        said = "There is no response to continue: the provider never gave one."
        raise InvalidInput({"continue_with": [said]})
    return last
