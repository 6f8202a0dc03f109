"""Legal hold: the content of a job is kept, however old it gets."""

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F

from jobs.kit.rights import name_of, require
from jobs.lifecycle import Line, MoveRefused, add_events, lock
from jobs.models import Job

HELD, RELEASED = "held", "released"


@transaction.atomic
def set_legal_hold(job: Job, *, by: User, on: bool, note: str = "") -> Job:
    """Put it on hold, or release it; MoveRefused when it is so already, or erased."""
    require(by, "jobs.hold_job")
    (job,) = lock(Job.objects.filter(pk=job.pk))
    if job.erased_at:
        raise MoveRefused(f"The content of {job} was deleted {job.erased_at:%d %b %Y}.")
    if job.legal_hold == on:
        raise MoveRefused(f"{job} is {'already' if on else 'not'} on legal hold.")
    rows = Job.objects.filter(pk=job.pk)
    rows.update(legal_hold=on, revision=F("revision") + 1)
    add_events([Line(job.history, HELD if on else RELEASED, note)], actor=name_of(by))
    job.refresh_from_db(fields=["legal_hold", "revision"])
    return job
