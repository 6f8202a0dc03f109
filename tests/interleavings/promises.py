"""What holds after every step, whatever was done in which order.

A picture holds all rows that matter. Promises are kept by a picture alone, or by one
and the picture before it.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from django.db import connection
from django.db.models import Model
from django.db.models.sql.compiler import SQLCompiler

from jobs.kit.canonical import sha256_hex
from jobs.models import Attempt, Job, JobEvent, Pause, Result
from jobs.models.job import ASKED_ABOUT
from jobs.services.verify import broken_links
from reviews.models import Decision, Delivery, Review

Row = dict[str, Any]
SHOWN = {"status", "steps", "failure_class", "failure_code", "approved_hash", "input"}


@cache
def select(model: type[Model]) -> tuple[str, list[str], SQLCompiler, Any]:
    """Its rows as `values()` gives them, put into SQL once for a thousand pictures."""
    query = model._default_manager.order_by("pk").values().query
    compiler = query.get_compiler(connection=connection)
    sql, _ = compiler.as_sql()
    converters = compiler.get_converters([column for column, *_ in compiler.select])
    return sql, list(query.values_select), compiler, converters


def rows_of(model: type[Model]) -> list[Row]:
    sql, names, compiler, converters = select(model)
    with connection.cursor() as cursor:
        cursor.execute(sql)
        rows = compiler.apply_converters(cursor.fetchall(), converters)
        return [dict(zip(names, row, strict=True)) for row in rows]


class ByJob(dict[int, list[Row]]):
    """The rows of each job; of one that has none, none."""

    def __init__(self, rows: list[Row]) -> None:
        for row in rows:
            self.setdefault(row["job_id"], []).append(row)

    def __missing__(self, job: int) -> list[Row]:
        return []


@dataclass
class Picture:
    """All rows as they are now; of one job, in the order they were made."""

    jobs: dict[int, Row]
    events: ByJob
    attempts: ByJob
    results: ByJob
    reviews: ByJob
    deliveries: ByJob
    decisions: list[Row]
    pauses: list[Row]

    @classmethod
    def take(cls) -> "Picture":
        return cls(
            {row["id"]: row for row in rows_of(Job)},
            ByJob(rows_of(JobEvent)),
            ByJob(rows_of(Attempt)),
            ByJob(rows_of(Result)),
            ByJob(rows_of(Review)),
            ByJob(rows_of(Delivery)),
            rows_of(Decision),
            rows_of(Pause),
        )

    def open_attempts(self, job: int) -> list[Row]:
        return [row for row in self.attempts[job] if row["ended_at"] is None]

    def runs(self, job: int) -> list[int]:
        """The open attempt, if there is one."""
        return [row["id"] for row in self.open_attempts(job)]

    def decided(self, job: int) -> list[Row]:
        reviews = {review["id"] for review in self.reviews[job]}
        return [row for row in self.decisions if row["review_id"] in reviews]


def keep(before: Picture, now: Picture) -> None:
    """Assert every promise of the rows that changed."""
    for pk, job in now.jobs.items():
        if pk in before.jobs:
            nothing_is_taken_back(before, now, pk)
            what_is_shown_has_a_revision(before.jobs[pk], job)
        if now.events[pk] != before.events[pk]:
            the_history_is_whole(now, pk)
        waits_or_is_over(now, pk)
        attempts_fit(now, pk)
        reviews_fit(now, pk)
        only_what_was_approved_leaves(now, pk)


# ---- of two pictures ---------------------------------------------------------------
def nothing_is_taken_back(before: Picture, now: Picture, pk: int) -> None:
    for name in ("events", "results"):
        was = getattr(before, name)[pk]
        assert getattr(now, name)[pk][: len(was)] == was, f"{name} were lost"
    for was, row in zip(before.attempts[pk], now.attempts[pk], strict=False):
        for name in ("ended_at", "settled_at", "accepted_at", "response_id"):
            assert was[name] in (None, row[name]), f"{name} was known, and changed"
    assert len(before.attempts[pk]) <= len(now.attempts[pk])
    moved = len(now.events[pk]) > len(before.events[pk])
    assert moved or before.jobs[pk]["status"] == now.jobs[pk]["status"], "no event"


def changed(was: Row, row: Row) -> set[str]:
    return {name for name in row if row[name] != was[name]}


def what_is_shown_has_a_revision(was: Row, job: Row) -> None:
    assert job["revision"] >= was["revision"]
    if changed(was, job) & SHOWN:
        assert job["revision"] > was["revision"], "changed under the same revision"


# ---- of one ------------------------------------------------------------------------
def the_history_is_whole(now: Picture, pk: int) -> None:
    """Gapless and chained, each move in the table; replayed, it ends where we are."""
    assert broken_links(Job.objects.get(pk=pk)) == []
    moves = {model.EVENT_KIND: model.MOVES for model in (Job, Delivery)}
    sums = {kind: Counter() for kind in moves}
    for event in now.events[pk]:
        kind, was, became = event["kind"], event["was"], event["became"]
        if kind in moves and became:
            assert not was or became in moves[kind][was], f"{kind}: {was} -> {became}"
            sums[kind].update([became])
            sums[kind].subtract([was] if was else [])
    assert +sums["status"] == Counter([now.jobs[pk]["status"]])
    assert +sums["delivery"] == Counter(row["status"] for row in now.deliveries[pk])


def waits_or_is_over(now: Picture, pk: int) -> None:
    job = now.jobs[pk]
    final = job["status"] in Job.FINAL
    assert final == (job["finished_at"] is not None) == (job["wake_at"] is None)


def attempts_fit(now: Picture, pk: int) -> None:
    """One open at the most; a running job has one; whoever has a result ended so."""
    status, attempts = now.jobs[pk]["status"], now.attempts[pk]
    still_open = now.open_attempts(pk)
    assert [row["number"] for row in attempts] == [*range(1, len(attempts) + 1)]
    assert len(still_open) <= 1
    if status == "running":
        (running,) = still_open
        assert running["response_id"], "it runs, and nobody knows where"
    elif still_open:
        assert status == "queued", f"{status}, with an open attempt"
    ends = {row["id"]: row["ended_at"] for row in attempts}
    results = now.results[pk]
    assert all(row["created_at"] == ends[row["attempt_id"]] for row in results)
    assert len({row["attempt_id"] for row in results}) == len(results)


def reviews_fit(now: Picture, pk: int) -> None:
    """One is open while the job awaits it; each has one decision at the most."""
    reviews, status = now.reviews[pk], now.jobs[pk]["status"]
    still_open = [row for row in reviews if row["closed_at"] is None]
    assert len(still_open) == (status == "awaiting_review")
    decided = now.decided(pk)
    assert len({row["review_id"] for row in decided}) == len(decided), "two winners"
    moves = Counter(event["became"] for event in now.events[pk])
    verdicts = Counter(row["verdict"] for row in decided)
    assert verdicts["approve"] == moves["approved"]
    assert verdicts["reject"] == moves["rejected"]


def only_what_was_approved_leaves(now: Picture, pk: int) -> None:
    job, results = now.jobs[pk], {row["id"]: row for row in now.results[pk]}
    approvals = {d["id"]: d for d in now.decided(pk) if d["verdict"] == "approve"}
    for decision in approvals.values():
        result = results[decision["result_id"]]
        assert decision["content_hash"] == result["content_hash"]
        assert result["content_hash"] == sha256_hex(result["body"])
        assert job["approved_hash"] == decision["content_hash"]
    if job["status"] in ("approved", "delivered"):
        assert approvals, "approved by nobody"
    for delivery in now.deliveries[pk]:
        decision = approvals[delivery["decision_id"]]
        assert delivery["result_id"] == decision["result_id"]
        assert delivery["request_hash"] in decision["request_hashes"]
    for decision in approvals.values():
        sent = [d for d in now.deliveries[pk] if d["decision_id"] == decision["id"]]
        assert len(sent) == len(decision["request_hashes"])


def wakes_are_kept(now: Picture, owed: dict[int, list[int]], at: datetime) -> None:
    """Whoever was woken is due until it is claimed, or the run it was about is over."""
    for pk, runs in owed.items():
        if now.runs(pk) == runs and now.jobs[pk]["status"] in ASKED_ABOUT:
            assert now.jobs[pk]["wake_at"] <= at, "a wake-up was lost"
