"""Answering a request once: whoever repeats its key gets the first answer again."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from django.contrib.auth.models import User
from django.db import OperationalError, connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from jobs.kit.canonical import sha256_hex
from jobs.models import IdempotencyKey, Job, Thread

PATIENCE = 10  # seconds that a request waits for another with the same key
LONGEST_ROUTE = 200  # characters; IdempotencyKey.route
BUSY = ("55P03", "SQLITE_BUSY", "SQLITE_LOCKED")  # how databases say: waited in vain


@dataclass(frozen=True)
class Answer:
    """What was answered; `job`, `thread`: the public id of whose content is in it."""

    status_code: int
    body: str
    job: str | None = None
    thread: str | None = None
    is_replayed: bool = False


class KeyReused(Exception):
    """The key was first used with another request."""


class KeyBusy(Exception):
    """The first request with this key is still at work."""


class AnswerErased(Exception):
    """The first answer had content in it that was deleted since."""


def answer_once(
    *, owner: User, route: str, key: str, request_hash: str, work: Callable[[], Answer]
) -> Answer:
    """Do `work` unless this key was answered, both in one transaction.

    What `work` raises undoes all, and the key is free again: an error is no answer.
    Raises KeyReused, KeyBusy and AnswerErased.
    """
    known = {"owner": owner, "route": _storable(route), "key": key}
    try:
        with transaction.atomic():
            _wait_no_longer_than(PATIENCE)
            # On a key that another request is just storing, the INSERT waits for its
            # end: it then finds that answer, or after a rollback takes its place.
            row, is_new = IdempotencyKey.objects.get_or_create(
                **known,
                defaults={"request_hash": request_hash, "created_at": timezone.now()},
            )
            return _done(row, work()) if is_new else _again(row, request_hash)
    except OperationalError as error:
        if not _was_in_vain(error):
            raise
        raise KeyBusy(f"A request with the key {key} is still at work.") from error


def forget_answers(thread: Thread) -> None:
    """Of a deleted thread no answer is repeated, for what it said is deleted too."""
    IdempotencyKey.objects.filter(thread=thread).update(body="")


def _storable(route: str) -> str:
    """Itself, or of one that the column cannot hold its hash."""
    return route if len(route) <= LONGEST_ROUTE else sha256_hex(route)


def _done(row: IdempotencyKey, answer: Answer) -> Answer:
    IdempotencyKey.objects.filter(pk=row.pk).update(
        status_code=answer.status_code,
        body=answer.body,
        job=_named(Job, answer.job),
        thread=_named(Thread, answer.thread),
    )
    return answer


def _named(model: type[Job | Thread], public_id: str | None) -> QuerySet[Any] | None:
    rows = model._default_manager.filter(public_id=public_id)
    return rows.values("pk") if public_id else None


def _again(row: IdempotencyKey, request_hash: str) -> Answer:
    if row.request_hash != request_hash:
        raise KeyReused(f"The key {row.key} was used for another request.")
    if not row.body:
        raise AnswerErased("It was done; the content of the answer was deleted since.")
    return replace(Answer(row.status_code, row.body), is_replayed=True)


def _wait_no_longer_than(seconds: int) -> None:
    """SQLite has its patience from the settings."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT set_config('lock_timeout', %s, true)", [f"{seconds}s"]
            )


def _was_in_vain(error: OperationalError) -> bool:
    cause = error.__cause__
    said = getattr(cause, "sqlstate", None) or getattr(cause, "sqlite_errorname", None)
    return str(said).startswith(BUSY)
