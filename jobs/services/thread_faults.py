"""What follows when a step of a thread did not succeed."""

from datetime import datetime, timedelta

from jobs.lifecycle import lock
from jobs.models import Conversation, Job, Thread
from jobs.policy.failures import RULES, FailureClass, Follow, class_of_fault
from jobs.provider.base import Phase, ProviderFault
from jobs.services.failures import pause_if_needed

FIRST, LONGEST = timedelta(seconds=2), timedelta(minutes=5)
PAUSED = timedelta(minutes=1)  # while a key or a quota is refused


def note_fault(
    thread: Thread, conversation: Conversation, fault: ProviderFault, now: datetime
) -> None:
    """It is tried again later; a create that is refused for good fails its job.

    One whose answer was lost may stand at the provider: it is listed, and another one
    is made.
    """
    failure = class_of_fault(fault)
    pause_if_needed(fault, now)
    if failure is FailureClass.LOST:
        conversation.lost_at = conversation.ended_at = now
    elif fault.phase is Phase.START:
        conversation.asked_at = None  # it was refused: nothing was made
    conversation.save(update_fields=["lost_at", "ended_at", "asked_at"])
    thread.wake_at = now + _wait(thread, RULES[failure].follow)
    thread.tries, thread.trouble = thread.tries + 1, fault.message[:500]
    if fault.phase is Phase.START and RULES[failure].follow is Follow.FAIL:
        _fail_job(thread, fault, failure)
        if thread.stage == Thread.Stage.OPEN:
            thread.wake_at = None  # the next job has it tried again
    thread.save(update_fields=["wake_at", "tries", "trouble"])


def note_our_bug(thread: Thread, now: datetime) -> None:
    """Its step broke our code: it is tried again later, and holds up no other."""
    thread.refresh_from_db()
    thread.wake_at = now + _wait(thread, Follow.RETRY)
    thread.tries, thread.trouble = thread.tries + 1, "It broke our code: see the log."
    thread.save(update_fields=["wake_at", "tries", "trouble"])


def _wait(thread: Thread, follow: Follow) -> timedelta:
    if follow is Follow.PAUSE:
        return PAUSED
    return min(FIRST * 2 ** min(thread.tries, 10), LONGEST)


def _fail_job(thread: Thread, fault: ProviderFault, failure: FailureClass) -> None:
    """The job for which the conversation was to be made: it cannot run."""
    for job in lock(Job.objects.filter(pk=thread.active_job_id or 0)):
        if job.status == Job.Status.QUEUED:
            said = f"Its thread's conversation could not be made: {fault.message}"
            job.move(
                Job.Status.FAILED,
                note=said,
                failure_class=failure,
                failure_code=(fault.code or f"http_{fault.http_status or 0}")[:100],
                failure_message=said,
            )
