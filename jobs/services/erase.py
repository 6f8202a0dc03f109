"""Erasing: the content of jobs that ended long ago goes, their skeleton stays.

Statuses, times, hashes, decisions and the chain of events are kept, so that what was
done can be proved without what was said. Other apps register their parts here.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Exists, F, Model, OuterRef, Q, QuerySet

from jobs.lifecycle import Line, add_events
from jobs.models import (
    Attempt,
    Citation,
    EventNote,
    EvidenceTrace,
    IdempotencyKey,
    Job,
    JobType,
    RawResponse,
    Result,
    Thread,
    ThreadItem,
    ToolCall,
)
from jobs.models.job import FINAL, JobQuerySet
from jobs.services.copies import unnamed_beside
from jobs.services.turns import wake_thread

ERASED = "erased"
AT_ONCE = {"sqlite": 10, "postgresql": 50}  # jobs in one transaction
LONGEST = 36_500  # days; a date beyond it could not be written
JOB_BLANK: dict[str, Any] = {
    "title": "",
    "input": {},
    "metadata": {},
    "next_input": None,
    "failure_message": "",
    "callback_url": "",
}


@dataclass(frozen=True)
class Part:
    """Rows with content; `path` leads from them to their job.

    `blank`: what their fields become; None: the rows themselves are deleted.
    """

    kind: str
    model: type[Model]
    path: str
    blank: Mapping[str, Any] | None = None

    def of(self, jobs: Any) -> QuerySet[Any]:
        return self.model._default_manager.filter(**{f"{self.path}__in": jobs})

    def erase(self, job_ids: list[int]) -> int:
        """Empty or delete what belongs to these jobs; says how many rows it was."""
        rows = self.of(job_ids)
        if self.blank is not None:
            return rows.order_by().update(**self.blank)
        return rows.delete()[0]


class Copied(Part):
    """Copies of items; of what nobody can be named for, it may be these jobs'."""

    def of(self, jobs: Any) -> QuerySet[Any]:
        return ThreadItem.objects.filter(Q(job__in=jobs) | unnamed_beside(jobs))


PARTS = [
    Part("results", Result, "job", {"body": "", "html": ""}),
    Part(
        "citations",
        Citation,
        "result__job",
        {"quote": "", "title": "", "url": "", "file": ""},
    ),
    Part(
        "evidence steps",
        EvidenceTrace,
        "attempt__job",
        {"label": "", "text": "", "sources": []},
    ),
    Part("raw responses", RawResponse, "attempt__job"),
    Part("tool calls", ToolCall, "attempt__job", {"arguments": "", "answer": ""}),
    Part(
        "attempts",
        Attempt,
        "job",
        {"input": None, "failure_message": "", "follow_up": ""},
    ),
    Part("notes", EventNote, "event__job"),
    Part("answers kept for repeats", IdempotencyKey, "job", {"body": ""}),
    Copied("copied items", ThreadItem, "job", {"body": ""}),
]
# Why a job that is old enough is kept all the same, in words and as a condition.
KEPT_FOR = {
    "legal hold": Q(legal_hold=True),
    "its turn in a thread": Q(Exists(Thread.objects.filter(active_job=OuterRef("pk")))),
    "items that are still in a conversation": Q(
        Exists(
            Attempt.objects.in_conversation().filter(
                job=OuterRef("pk"), job__version__job_type__deletes_at_provider=True
            )
        )
    ),
    "responses that have not settled": Q(
        Exists(
            Attempt.objects.filter(job=OuterRef("pk"), settled_at=None).exclude(
                response_id=None
            )
        )
    ),
}


def register(*parts: Part, kept_for: Mapping[str, Q]) -> None:
    """Have these parts erased too, and jobs kept for these reasons."""
    PARTS.extend(parts)
    KEPT_FOR.update(kept_for)


def old_jobs(job_type: JobType, now: datetime) -> JobQuerySet:
    """Those whose content is older than their type keeps it."""
    assert job_type.keep_days is not None
    ended_by = now - timedelta(days=min(job_type.keep_days, LONGEST))
    return Job.objects.filter(
        version__job_type=job_type,
        status__in=FINAL,
        finished_at__lte=ended_by,
        erased_at=None,
    )


def erasable(jobs: JobQuerySet) -> JobQuerySet:
    """Without those that are kept for a reason."""
    for reason in KEPT_FOR.values():
        jobs = jobs.exclude(reason)
    return jobs


@transaction.atomic
def take_out_old(job_type: JobType, now: datetime) -> int:
    """Have old jobs' items leave conversations that stand, where copies go as well.

    Their content is erased once that is done. Says how many attempts it concerns.
    """
    if not job_type.deletes_at_provider:
        return 0
    jobs = old_jobs(job_type, now).exclude(KEPT_FOR["legal hold"])
    left = Attempt.objects.in_conversation().filter(job__in=jobs, take_out_at=None)
    threads = set(left.order_by().values_list("conversation__thread", flat=True))
    marked = left.order_by().update(take_out_at=now)
    for thread_id in threads:
        wake_thread(thread_id, now)
    return marked


@transaction.atomic
def erase_some(job_type: JobType, now: datetime) -> Counter[str]:
    """Erase one small batch; says how many rows of each kind, empty when all is done.

    Jobs in another hand are left for the next time.
    """
    due = erasable(old_jobs(job_type, now)).order_by()
    locked = due.select_for_update(skip_locked=True, of=("self",))
    jobs = list(locked[: AT_ONCE[connection.vendor]])
    ids = [job.pk for job in jobs]
    if not ids:
        return Counter()
    done = Counter({"jobs": len(ids)})
    done.update({part.kind: part.erase(ids) for part in PARTS})
    done["responses to delete"] = _delete_at_provider(job_type, ids, now)
    rows = Job.objects.filter(pk__in=ids)
    rows.update(**JOB_BLANK, erased_at=now, revision=F("revision") + 1)
    said = {"keep_days": job_type.keep_days}
    add_events([Line(job.history, ERASED, data=said) for job in jobs], now=now)
    return +done


def _delete_at_provider(job_type: JobType, ids: list[int], now: datetime) -> int:
    """Have the sweep delete the provider's copies, where the type says so."""
    if not job_type.deletes_at_provider:
        return 0
    return _copies(ids).update(delete_at=now)


def _copies(jobs: Any) -> QuerySet[Attempt]:
    rows = Attempt.objects.filter(job__in=jobs, deleted_at=None).order_by()
    return rows.exclude(response_id=None)


# ---- what would be done ------------------------------------------------------------


def count_erasable(job_type: JobType, now: datetime) -> Counter[str]:
    """How many rows of each kind would be erased now."""
    jobs = erasable(old_jobs(job_type, now)).order_by()
    would = Counter({"jobs": jobs.count()})
    if would["jobs"]:
        would.update({part.kind: part.of(jobs).count() for part in PARTS})
        if job_type.deletes_at_provider:
            would["responses to delete"] = _copies(jobs).count()
    return +would


def count_kept(job_type: JobType, now: datetime) -> Counter[str]:
    """How many are old enough and kept all the same, by reason."""
    old = old_jobs(job_type, now)
    return +Counter({why: old.filter(q).count() for why, q in KEPT_FOR.items()})
