"""Threads: there is one for each owner and key, made when it is first asked for."""

from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from jobs.kit.rights import require
from jobs.kit.strict_json import flaws
from jobs.models import Thread
from jobs.services.invalid import InvalidInput, by_field

KEY = 200  # characters; Thread.key
SESSION = "session:"  # keys that begin so are of threads that soon are over
SESSION_LIFE = timedelta(days=1)
CLOSED = {
    Thread.Stage.ARCHIVING: "is being archived",
    Thread.Stage.ARCHIVED: "is archived",
    Thread.Stage.DELETING: "is being deleted",
    Thread.Stage.DELETED: "was deleted",
}


@transaction.atomic
def get_or_create_thread(
    *,
    by: User,
    key: str,
    expires_at: datetime | None = None,
    metadata: dict[str, str] | None = None,
    max_messages: int | None = None,
    max_age_seconds: int | None = None,
) -> tuple[Thread, bool]:
    """The thread of this person and key, and whether it was made now.

    One that is there stays as it is. Its conversation is made by the next sweep.
    Raises InvalidInput.
    """
    require(by, "jobs.submit_job")
    now = timezone.now()
    if errors := _check(key, metadata or {}, expires_at, now):
        raise InvalidInput(errors)
    if expires_at is None and key.startswith(SESSION):
        expires_at = now + SESSION_LIFE
    made: dict[str, Any] = {
        "wake_at": now,
        "expires_at": expires_at,
        "metadata": metadata or {},
        "max_messages": max_messages,
        "max_age_seconds": max_age_seconds,
    }
    living = Thread.objects.living()
    return living.get_or_create(owner=by, key=key, defaults=made)


def why_not_run(thread: Thread | None) -> str:
    """Why no job can be set going in it; empty when one can, or without a thread."""
    if thread is None or thread.stage == Thread.Stage.OPEN:
        return ""
    return f"The thread “{thread.key}” {CLOSED[Thread.Stage(thread.stage)]}"


def _check(
    key: str, metadata: dict[str, str], expires_at: datetime | None, now: datetime
) -> dict[str, list[str]]:
    errors = by_field([*flaws(key, "key"), *flaws(metadata, "metadata")])
    if not key.strip() or len(key) > KEY:
        errors["key"] = [f"This must have from 1 to {KEY} characters."]
    if expires_at is not None and expires_at <= now:
        errors["expires_at"] = ["This is over already."]
    return errors
