"""How a status changes: in one place, guarded, with its line of history.

The only writer of any status. Two people or two workers who read the same row cannot
both win: the UPDATE names the status as it was read, and counts what it changed.
"""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any, ClassVar

from django.db import models, transaction
from django.db.models import F, Max, OuterRef, Q, QuerySet, Subquery
from django.dispatch import Signal
from django.utils import timezone

from jobs.kit.canonical import digest_of, sha256_hex
from jobs.kit.rights import SYSTEM
from jobs.kit.rows import write_rows

job_moved = Signal()
"""Sent with `job` and `event`, inside the transaction of the move."""


class MoveRefused(Exception):
    """The row may not become this, or someone else moved it first."""


class Lifecycle(models.Model):
    """A row with one status. `wake_at`: when it must be looked at next."""

    MOVES: ClassVar[dict[str, set[str]]]  # each status, and those it may become
    FINAL: ClassVar[frozenset[str]]  # those that carry finished_at and no wake_at
    EVENT_KIND: ClassVar[str]  # how its moves are called in the job's history
    MOVABLE: ClassVar[Q] = Q()  # which rows may move at all

    status = models.CharField(max_length=20, editable=False)
    wake_at = models.DateTimeField(null=True, blank=True, editable=False)
    finished_at = models.DateTimeField(null=True, blank=True, editable=False)
    revision = models.PositiveIntegerField(default=0, editable=False)

    class Meta:
        abstract = True

    @property
    def history(self) -> Any:
        """The manager of the events that tell what happened to this row."""
        raise NotImplementedError

    def may_become(self, status: str) -> bool:
        return status in self.MOVES[self.status]

    def why_not(self, status: str) -> str:
        """Why it may not become this, in words."""
        return f"{self} is {self.status}: it cannot become {status}"

    def move(
        self, to: str, *, actor: str = SYSTEM, note: str = "", **changes: Any
    ) -> None:
        """Become `to`, provided the row still is what we read; else MoveRefused."""
        move_all([Move(self, to, note=note, changes=changes)], actor=actor)


@dataclass(frozen=True)
class Move:
    """One row on its way to a status, with what else changes in the same UPDATE."""

    row: Lifecycle
    to: str
    note: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    changes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Line:
    """One line of history that is about to be written."""

    history: Any
    kind: str
    note: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    was: str = ""
    became: str = ""


@transaction.atomic
def move_all(moves: Sequence[Move], *, actor: str = SYSTEM) -> None:
    """Make these moves together, all or none, each row at most once."""
    as_read = [(move.row, dict(vars(move.row))) for move in moves]
    try:
        _make(moves, actor, timezone.now())
    except Exception:
        for row, values in as_read:  # nothing is stored: no row may look moved
            vars(row).update(values)
        raise


def _make(moves: Sequence[Move], actor: str, now: datetime) -> None:
    for move in moves:
        if not move.row.may_become(move.to):
            raise MoveRefused(move.row.why_not(move.to))
    before = {id(move.row): move.row.status for move in moves}
    for status, group in groupby(
        sorted(moves, key=lambda m: m.row.status), key=lambda m: m.row.status
    ):
        _update(status, list(group), now)
    lines = [
        Line(m.row.history, m.row.EVENT_KIND, m.note, m.data, before[id(m.row)], m.to)
        for m in moves
    ]
    for move, event in zip(moves, add_events(lines, actor=actor, now=now), strict=True):
        if move.row.EVENT_KIND == "status":
            job_moved.send(type(move.row), job=move.row, event=event)


def _update(was: str, moves: list[Move], now: datetime) -> None:
    """One guarded UPDATE for rows that share the status they were read in."""
    model = type(moves[0].row)
    revisions = [move.row.revision for move in moves]
    fields = set().union(*(_set(move, now) for move in moves))
    movable = model._default_manager.filter(model.MOVABLE, status=was)
    changed = write_rows(movable, [move.row for move in moves], sorted(fields))
    if changed != len(moves):
        names = ", ".join(str(move.row) for move in moves)
        raise MoveRefused(f"{names}: no longer {was}, someone else moved it first")
    for move, revision in zip(moves, revisions, strict=True):
        move.row.revision = revision + 1


def _set(move: Move, now: datetime) -> set[str]:
    final = move.to in move.row.FINAL
    changes = {
        "wake_at": now,
        **move.changes,
        "status": move.to,
        "finished_at": now if final else None,
        "revision": F("revision") + 1,
    }
    if final:
        changes["wake_at"] = None
    for name, value in changes.items():
        setattr(move.row, name, value)
    return set(changes)


def lock(rows: QuerySet[Any]) -> list[Any]:
    """Lock these rows until the transaction ends, always in the same order."""
    return list(rows.order_by("pk").select_for_update(of=("self",)))


def add_events(
    lines: Iterable[Line], *, actor: str = SYSTEM, now: datetime | None = None
) -> list[Any]:
    """Write these lines, each chained to its job's last; the job must be locked.

    The chain holds the hash of a note, salted, and the note itself stands beside it:
    it can be erased, and the chain still verifies.
    """
    lines, at = list(lines), now or timezone.now()
    if not lines:
        return []
    model = lines[0].history.model
    heads = _heads(model, {line.history.instance.pk for line in lines})
    events, notes = [], []
    for line in lines:
        job = line.history.instance
        seq, last = heads.get(job.pk, (0, ""))
        salt = secrets.token_hex(16) if line.note else ""
        event = model(
            job=job,
            seq=seq + 1,
            kind=line.kind,
            was=line.was,
            became=line.became,
            actor=actor,
            data=line.data,
            at=at,
            note_digest=sha256_hex(salt + line.note) if line.note else "",
        )
        event.digest = chained(event, last)
        heads[job.pk] = (event.seq, event.digest)
        events.append(event)
        notes.append((event, salt, line.note))
    model.objects.bulk_create(events)
    model.write_notes(notes)
    return events


def _heads(model: Any, job_ids: set[int]) -> dict[int, tuple[int, str]]:
    """Where the chain of each job ends: sequence number and digest."""
    events = model.objects.filter(job__in=job_ids)
    if len(job_ids) == 1:  # comes most, and takes a quarter of the time to put in SQL
        rows = events.order_by("-seq").values_list("job", "seq", "digest")[:1]
    else:
        last = model.objects.filter(job=OuterRef("job")).order_by("-seq")
        tops = events.values("job").annotate(top=Max("seq"))
        tops = tops.annotate(head=Subquery(last.values("digest")[:1]))
        rows = tops.values_list("job", "top", "head")
    return {job: (seq, digest) for job, seq, digest in rows}


def chained(event: Any, last: str) -> str:
    """The digest of an event: over what it says and the digest before it."""
    said = {
        "job": str(event.job.public_id),
        "seq": event.seq,
        "kind": event.kind,
        "was": event.was,
        "became": event.became,
        "actor": event.actor,
        "data": event.data,
        "note": event.note_digest,
        "at": event.at.isoformat(),
    }
    return digest_of([last, said])
