"""A response turned up that no attempt has: adopted while it is wanted, else stopped.

The provider has no list of responses: metadata is the only thread back to us.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings

from jobs.lifecycle import Line, add_events, lock
from jobs.models import Attempt, Job
from jobs.models.receipt import Outcome
from jobs.policy.failures import FailureClass
from jobs.provider.base import Snapshot
from jobs.services.attempts import note_snapshot
from jobs.services.errands import Errand, Kind
from jobs.services.observe import apply
from jobs.services.receive import wake_response


@dataclass(frozen=True)
class Verdict:
    """What a receipt came to; `wake_at`: when to ask again."""

    outcome: str
    note: str = ""
    wake_at: datetime | None = None


def place(snapshot: Snapshot, now: datetime) -> Verdict:
    """Find out whose response this is, and do what follows; in a transaction."""
    if snapshot.metadata.get("instance") != settings.INSTANCE_ID:
        return Verdict(Outcome.NOT_OURS)
    attempt = _attempt_of(snapshot)
    if attempt is None:
        note = "It bears our name, but no attempt here began it: it is stopped."
        return Verdict(Outcome.ORPHAN, note, now)
    (job,) = lock(Job.objects.filter(pk=attempt.job_id))
    attempt.refresh_from_db()
    if woken := wake_response(snapshot.response_id, now):
        return Verdict(woken)
    if attempt.response_id:
        note = f"A second response to attempt {attempt.number}: it is stopped."
        return Verdict(Outcome.ORPHAN, note, now)
    if attempt.ended_at is None:
        return _answer(job, attempt, snapshot)
    if _still_wants(job, attempt):
        return _adopt(job, attempt, snapshot, now)
    return _stop(job, attempt, snapshot, now)


def _attempt_of(snapshot: Snapshot) -> Attempt | None:
    try:
        names = {
            "uuid": UUID(snapshot.metadata.get("attempt", "")),
            "job__public_id": UUID(snapshot.metadata.get("job", "")),
        }
    except ValueError:
        return None
    return Attempt.objects.filter(**names).first()


def _still_wants(job: Job, lost: Attempt) -> bool:
    """It waits to do again the very thing that this response does."""
    newest = job.attempts.order_by("-number").values_list("pk", flat=True).first()
    return (
        lost.pk == newest
        and lost.failure_class == FailureClass.LOST
        and lost.input == job.next_input  # what it was begun with still holds
        and job.status == Job.Status.QUEUED
        and job.next_reason == Attempt.Reason.RETRY
    )


def _answer(job: Job, attempt: Attempt, snapshot: Snapshot) -> Verdict:
    """It was begun, and its answer is still under way to us: here is another one."""
    assert job.wake_at is not None  # it is open
    if not apply([Errand(Kind.LOOK, job, attempt, job.wake_at, reply=snapshot)]):
        raise RuntimeError("the answer of an open attempt could not be applied")
    return Verdict(Outcome.WOKE, f"It answers attempt {attempt.number}.")


def _adopt(job: Job, lost: Attempt, snapshot: Snapshot, now: datetime) -> Verdict:
    """A new attempt has it, and the job runs; the next look sees how far it is."""
    adopted = Attempt(
        job=job,
        number=lost.number + 1,
        tries=lost.tries,
        reason=Attempt.Reason.ADOPTED,
        follows=lost,
        conversation=lost.conversation,
        created_at=now,
    )
    note_snapshot(adopted, snapshot, now)
    adopted.save(force_insert=True)
    note = f"The response that attempt {lost.number} lost was found, and adopted."
    job.move(
        Job.Status.RUNNING, note=note, started_at=job.started_at or now, wake_at=now
    )
    return Verdict(Outcome.ADOPTED, note)


def _stop(job: Job, lost: Attempt, snapshot: Snapshot, now: datetime) -> Verdict:
    """Nobody waits for it: stopped and settled like any attempt that ended early."""
    note_snapshot(lost, snapshot, now)
    lost.wake_at = now
    lost.follow_up = "its response was found, and is stopped"
    lost.save()
    note = f"The response that attempt {lost.number} lost was found, and is stopped."
    add_events([Line(job.history, "orphan", note, {"attempt": lost.number})], now=now)
    return Verdict(Outcome.ORPHAN, note)
