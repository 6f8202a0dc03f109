"""Turns: in each thread one job runs at a time, and keeps the turn until it is settled.

From its first start through retries and calls that wait for answers, and as long as
anything of it may still run at the provider. Some types keep it until the decision.
"""

from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from jobs.models import Attempt, Conversation, Job, Thread, ToolCall
from jobs.models.job import BEFORE_COMPLETION
from jobs.models.job_type import InThread
from jobs.services.taking_out import owed

AT_ONCE = 100  # turns that are given back in one transaction
Status = Job.Status
STANDS = [Status.COMPLETED, Status.AWAITING_REVIEW, Status.APPROVED, Status.DELIVERED]
UNDECIDED = Q(
    active_job__status=Status.AWAITING_REVIEW,
    active_job__version__in_thread__in=[InThread.WAITS, InThread.FORGETS],
)


def take_turns(jobs: list[Job], now: datetime) -> list[Job]:
    """Of these locked jobs those that may begin: their thread is theirs, and ready.

    A thread in another hand is not waited for: it is looked at again in a moment.
    """
    wanted = {job.thread_id for job in jobs if job.thread_id}
    if not wanted:
        return jobs
    rows = Thread.objects.filter(pk__in=wanted).order_by("pk")
    threads = {thread.pk: thread for thread in rows.select_for_update(skip_locked=True)}
    return [
        job
        for job in jobs
        if job.thread_id is None or _enters(job, threads.get(job.thread_id), now)
    ]


def release_turns() -> None:
    """Give back the turns of jobs that are over, once nothing of them is at work."""
    if not Thread.objects.exclude(active_job=None).exists():
        return  # which is soon said, and true most of the time
    now = timezone.now()
    over = _over(now)
    if not over.exists():  # a look takes no lock
        return
    with transaction.atomic():
        rows = over.select_related("active_job__version").order_by("pk")
        for thread in rows.select_for_update(skip_locked=True, of=("self",))[:AT_ONCE]:
            _release(thread, now)


def leave_context(job: Job, now: datetime) -> bool:
    """Whether what an ended job left in the conversation is to be taken out.

    Where its type forgets what was not approved; and calls that nobody answered, since
    the provider takes nothing else before that. It is marked, and a sweep does it.
    """
    if job.status in STANDS or job.status in BEFORE_COMPLETION:
        return False
    asked = ToolCall.objects.filter(attempt__job=job)
    forgets = job.version.in_thread == InThread.FORGETS
    if not forgets and not (job.status != Status.REJECTED and asked.exists()):
        return False
    left = job.attempts.in_conversation().filter(take_out_at=None)
    return bool(left.order_by().update(take_out_at=now))


def take_out_of_thread(job: Job, now: datetime) -> None:
    """What was rejected leaves, where its type has it so, whoever has the turn."""
    if job.thread_id is not None and leave_context(job, now):
        wake_thread(job.thread_id, now)


def wake_thread(thread_id: int, now: datetime) -> None:
    """Have a sweep do what is owed, unless one has it in hand already."""
    Thread.objects.filter(pk=thread_id, wake_at=None).update(wake_at=now)


def _over(now: datetime) -> QuerySet[Thread]:
    at_work = Attempt.objects.filter(job=OuterRef("active_job")).in_the_air(now)
    undecided = UNDECIDED & ~Q(stage=Thread.Stage.DELETING)
    holds = Q(active_job__status__in=BEFORE_COMPLETION) | undecided
    return Thread.objects.exclude(active_job=None).exclude(holds | Q(Exists(at_work)))


def _release(thread: Thread, now: datetime) -> None:
    """Nobody follows before what may not stay was taken out."""
    assert thread.active_job is not None
    leave_context(thread.active_job, now)
    if owed(thread).exists() and thread.stage != Thread.Stage.DELETING:
        return wake_thread(thread.pk, now)
    same = Thread.objects.filter(pk=thread.pk, active_job=thread.active_job)
    same.update(active_job=None)
    if thread.stage != Thread.Stage.OPEN:
        wake_thread(thread.pk, now)


def _enters(job: Job, thread: Thread | None, now: datetime) -> bool:
    if thread is None or thread.wake_at or thread.active_job_id not in (None, job.pk):
        return False
    rows = Thread.objects.filter(pk=thread.pk)
    conversation = thread.conversation
    if thread.active_job_id is None:
        if not rows.filter(active_job=None).update(active_job=job):
            return False
        conversation = _unless_full(thread, conversation, job, now)
    if conversation is not None and conversation.conversation_id:
        return True
    rows.update(wake_at=now)  # a sweep makes a conversation, then the job begins
    return False


def _unless_full(
    thread: Thread, conversation: Conversation | None, job: Job, now: datetime
) -> Conversation | None:
    """None when the next conversation is to begin; in mid-job none does."""
    if conversation is None or not conversation.conversation_id:
        return None
    version = job.version
    is_full = thread.is_full(
        conversation,
        max_messages=version.thread_max_messages,
        max_age_seconds=version.thread_max_age_seconds,
        now=now,
    )
    if not is_full:
        return conversation
    Conversation.objects.filter(pk=conversation.pk, full_at=None).update(full_at=now)
    return None
