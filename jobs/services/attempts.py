"""What becomes of an attempt: noted, ended, settled."""

from datetime import datetime

from jobs.models import Attempt
from jobs.provider.base import ProviderFault, Snapshot, State
from jobs.services import answers
from jobs.services.batch import Batch

# Where a run has surely come to its end; of a state we do not know, we do not know.
ENDS = {State.COMPLETED, State.INCOMPLETE, State.FAILED, State.CANCELLED}


def note_snapshot(attempt: Attempt, snapshot: Snapshot, now: datetime) -> None:
    """Its response id, the provider's word for its state, and what it cost so far."""
    attempt.response_id = snapshot.response_id
    attempt.provider_status = snapshot.said
    attempt.accepted_at = attempt.accepted_at or now
    attempt.missing_since = None
    attempt.input_tokens = snapshot.usage.input_tokens
    attempt.output_tokens = snapshot.usage.output_tokens
    attempt.total_tokens = snapshot.usage.total_tokens


def is_begun_by(attempt: Attempt, snapshot: Snapshot) -> bool:
    """Whether this response is the attempt's own, by what it was begun with.

    An adopted one was begun by the attempt that lost it; where the provider keeps no
    metadata, its id has to do.
    """
    begun_by = snapshot.metadata.get("attempt", "")
    known = {"", str(attempt.uuid)}
    if begun_by not in known and attempt.reason == Attempt.Reason.ADOPTED:
        known.add(str(attempt.follows.uuid) if attempt.follows else "")
    return begun_by in known


def end_attempt(
    batch: Batch,
    attempt: Attempt,
    reply: Snapshot | ProviderFault | None,
    decided: str,
) -> None:
    """It moves the job no more; if it may still run there, it will be stopped."""
    attempt.ended_at, attempt.follow_up = batch.now, decided[:200]
    if isinstance(reply, Snapshot) and reply.state in ENDS:
        settle_attempt(attempt, batch.now)
        keep_answer(batch, attempt, reply)
    elif attempt.response_id:
        attempt.wake_at = batch.now


def settle_attempt(attempt: Attempt, now: datetime) -> None:
    """Its end at the provider is known: nobody asks about it again."""
    attempt.settled_at, attempt.wake_at = now, None


def keep_answer(batch: Batch, attempt: Attempt, snapshot: Snapshot) -> None:
    """The steps it reported and the body as it came.

    Of a job whose content was erased nothing is kept, here or at the provider.
    """
    job = attempt.job
    if job.erased_at is None:
        batch.traces += answers.traces_of(attempt, snapshot)
        batch.raws.append(answers.raw_of(attempt, snapshot, batch.now))
    elif job.version.job_type.deletes_at_provider:
        attempt.delete_at = batch.now
