"""Closing a thread: archived or deleted, by a person or when its time is over.

It refuses new jobs from that moment on; the steps that follow are a sweep's.
"""

from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from jobs.kit.rights import require
from jobs.lifecycle import Move, MoveRefused, lock, move_all
from jobs.models import Attempt, Job, Thread
from jobs.models.job import BEFORE_COMPLETION
from jobs.services.errands import LEASE
from jobs.services.expire import close_attempts
from jobs.services.taking_out import owed
from jobs.services.threads import CLOSED

Stage = Thread.Stage
GOING = "Its thread is being deleted."


@transaction.atomic
def archive_thread(thread: Thread, *, by: User) -> Thread:
    """Let the jobs in it come to their ends, then keep a copy and run no more.

    Raises MoveRefused where it is closed already, or on its way there.
    """
    _require_right(thread, by)
    (thread,) = lock(Thread.objects.filter(pk=thread.pk))
    if thread.stage != Stage.OPEN:
        raise MoveRefused(f"“{thread.key}” {CLOSED[Stage(thread.stage)]} already.")
    return _close(thread, Stage.ARCHIVING, timezone.now(), keeps_copy=True)


@transaction.atomic
def delete_thread(thread: Thread, *, by: User, archive: bool = False) -> Thread:
    """Cancel what runs in it, then delete it at the provider; `archive`: a copy stays.

    Once begun it goes on, and to ask again changes nothing. Raises MoveRefused while a
    job in it is on legal hold, and for a copy where it was begun without one.
    """
    _require_right(thread, by)
    (thread,) = lock(Thread.objects.filter(pk=thread.pk))
    if thread.stage in (Stage.DELETING, Stage.DELETED):
        if archive and not thread.keeps_copy:
            said = CLOSED[Stage(thread.stage)]
            raise MoveRefused(f"“{thread.key}” {said} already, without a copy.")
        return thread
    if thread.jobs.filter(legal_hold=True).exists():
        raise MoveRefused(f"A job in “{thread.key}” is on legal hold.")
    return _close(thread, Stage.DELETING, timezone.now(), keeps_copy=archive)


def begin_expired(now: datetime) -> None:
    """Delete the threads whose time is over; of archived ones the copy stays."""
    if not Thread.objects.past_their_time(now).exists():
        return  # which is soon said, and true most of the time
    expired = Thread.objects.expired(now)
    if not expired.exists():  # a look takes no lock
        return
    with transaction.atomic():
        for thread in expired.select_for_update(skip_locked=True, of=("self",))[:100]:
            copied = thread.stage == Stage.ARCHIVED
            _close(thread, Stage.DELETING, now, keeps_copy=copied)


def has_jobs_to_run(thread: Thread) -> bool:
    """Whether it is to be archived once the jobs in it have come to their ends."""
    if thread.stage != Stage.ARCHIVING:
        return False
    unfinished = thread.jobs.filter(status__in=BEFORE_COMPLETION).exists()
    return unfinished and not owed(thread).exists()


def wake_finished(now: datetime) -> None:
    """Have those archived whose last job is over, wherever that ended."""
    rows = Thread.objects.filter(stage=Stage.ARCHIVING, wake_at=None, active_job=None)
    if not rows.exists():  # a look takes no lock, and is what we do most
        return
    unfinished = Job.objects.filter(thread=OuterRef("pk"), status__in=BEFORE_COMPLETION)
    over = rows.exclude(Exists(unfinished))
    if over.exists():
        over.update(wake_at=now)


def is_quiet(thread: Thread, now: datetime) -> bool:
    """Whether nothing of it runs any more; what is to be deleted is cancelled first."""
    if thread.stage == Stage.DELETING:
        if thread.jobs.filter(legal_hold=True).exists():
            return False
        _cancel_all(thread, now)
    at_work = Attempt.objects.filter(conversation__thread=thread).in_the_air(now)
    unfinished = thread.jobs.filter(status__in=BEFORE_COMPLETION)
    has_turn = Thread.objects.filter(pk=thread.pk).exclude(active_job=None)
    return not any(rows.exists() for rows in (unfinished, at_work, has_turn))


def may_close(thread: Thread, person: User) -> bool:
    """Whose it is, with the right to submit; others with a right of its own."""
    own = thread.owner_id == person.pk and person.has_perm("jobs.submit_job")
    return own or person.has_perm("jobs.close_thread")


def _require_right(thread: Thread, by: User) -> None:
    if not may_close(thread, by):
        require(by, "jobs.close_thread")


def _close(thread: Thread, stage: str, now: datetime, *, keeps_copy: bool) -> Thread:
    thread.stage, thread.keeps_copy, thread.closing_at = stage, keeps_copy, now
    if thread.wake_at is None or thread.wake_at > now + LEASE:
        thread.wake_at = now  # else a step is under way: its answer is wanted
    thread.save(update_fields=["stage", "wake_at", "keeps_copy", "closing_at"])
    return thread


def _cancel_all(thread: Thread, now: datetime) -> None:
    """Those that were not completed; what waits for a decision is the reviewers'."""
    jobs = lock(thread.jobs.filter(status__in=BEFORE_COMPLETION))
    close_attempts(jobs, now)
    move_all([Move(job, Job.Status.CANCELLED, note=GOING) for job in jobs])
