"""Asking for a decision once more, after nobody came in time."""

from django.contrib.auth.models import User
from django.db import transaction

from jobs.kit.rights import name_of, require
from jobs.lifecycle import MoveRefused, lock
from jobs.models import Job

RIGHTS = ("reviews.decide_review", "jobs.retry_job")


@transaction.atomic
def reopen_review(job: Job, *, by: User, note: str = "") -> Job:
    """Back to awaiting review, with a new due time by the terms of its type."""
    if not may_reopen(by):
        require(by, RIGHTS[0])
    lock(Job.objects.filter(pk=job.pk))
    if not was_in_review(job):
        raise MoveRefused(
            f"{job} is {job.status}: only a review that was abandoned is reopened."
        )
    job.move(Job.Status.AWAITING_REVIEW, actor=name_of(by), note=note)
    return job


def may_reopen(person: User) -> bool:
    """Whoever decides, or sets jobs going again."""
    return any(person.has_perm(right) for right in RIGHTS)


def was_in_review(job: Job) -> bool:
    """Whether it was abandoned while it waited for a decision, not for an answer."""
    if job.status != Job.Status.ABANDONED:
        return False
    last = job.events.filter(kind="status", became=job.status).order_by("seq").last()
    return last is not None and last.was == Job.Status.AWAITING_REVIEW
