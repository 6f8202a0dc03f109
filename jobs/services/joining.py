"""Joining a thread: what a new job does about the one that is at work there."""

from enum import StrEnum

from django.contrib.auth.models import User

from jobs.lifecycle import MoveRefused, lock
from jobs.models import Job, Thread
from jobs.models.job import BEFORE_COMPLETION, FINAL
from jobs.services.cancel import cancel_job
from jobs.services.invalid import InvalidInput
from jobs.services.threads import get_or_create_thread, why_not_run


class OnActive(StrEnum):
    """What becomes of a job that is submitted while another one is at work."""

    QUEUE = "queue"
    REJECT = "reject"
    CANCEL = "cancel"


class ThreadBusy(MoveRefused):
    """Another job is at work in the thread, and nobody was to wait for it."""


def join_thread(*, by: User, key: str, on_active: str) -> Thread:
    """The thread of that key, made if need be and locked until the submission ends.

    So jobs join it one after the other. To be called in a transaction. Raises
    InvalidInput, MoveRefused where it is closed, and ThreadBusy.
    """
    try:
        thread, _ = get_or_create_thread(by=by, key=key)
    except InvalidInput as wrong:
        raise InvalidInput({"thread": wrong.errors["key"]}) from wrong
    (thread,) = lock(Thread.objects.filter(pk=thread.pk))
    if why := why_not_run(thread):
        raise MoveRefused(f"{why}.")
    front = thread.job_in_front
    if front is None or on_active == OnActive.QUEUE:
        return thread
    if on_active == OnActive.REJECT:
        raise ThreadBusy(f"{_names(front, thread)} is active there.")
    _take_its_place(front, thread, by)
    return thread


def _take_its_place(front: Job, thread: Thread, by: User) -> None:
    """Cancel it; what it still does at the provider is waited for.

    An answer that waits for a decision is not thrown away by whoever comes next.
    """
    (front,) = lock(Job.objects.filter(pk=front.pk))
    if front.status in BEFORE_COMPLETION:
        cancel_job(front, by=by, note="Another job in its thread takes its place.")
    elif front.status not in FINAL:
        said = "has an answer that waits for a decision there."
        raise ThreadBusy(f"{_names(front, thread)} {said}")


def _names(job: Job, thread: Thread) -> str:
    return f"The thread “{thread.key}” is busy: job {job.public_id}"
