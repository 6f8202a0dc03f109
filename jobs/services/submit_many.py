"""Submitting many at once: all or nothing, in a few queries however many they are."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import OuterRef
from django.utils import timezone

from jobs.kit.rights import name_of, require
from jobs.lifecycle import Line, add_events
from jobs.models import Job, JobTypeVersion
from jobs.services.submit import (
    InvalidInput,
    check_callbacks,
    check_input,
    check_rest,
    times,
)

MOST = 1_000  # jobs at once
MOST_TOLD = 100  # rows whose errors are told
Errors = dict[str, list[str]]


@dataclass(frozen=True)
class Wanted:
    """One job as it is asked for; the fields are those of submit_job."""

    type_name: str
    given: Any
    title: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    attempt_seconds: int | None = None
    deadline_seconds: int | None = None
    callback_url: str = ""

    @property
    def limits(self) -> dict[str, int | None]:
        return {
            "attempt_seconds": self.attempt_seconds,
            "deadline_seconds": self.deadline_seconds,
        }


@transaction.atomic
def submit_many(*, by: User, wanted: Sequence[Wanted]) -> list[Job]:
    """Store a job for each, in their order, or raise InvalidInput: "3.input.text"."""
    require(by, "jobs.submit_job")
    versions = _versions({each.type_name for each in wanted})
    if errors := check_many(wanted, versions):
        raise InvalidInput(_told(errors))
    now = timezone.now()
    jobs = Job.objects.bulk_create(
        _job(each, versions[each.type_name], by, now) for each in wanted
    )
    lines = [Line(job.history, "status", became=job.status) for job in jobs]
    add_events(lines, actor=name_of(by), now=now)
    return jobs


def check_many(
    wanted: Sequence[Wanted], versions: dict[str, JobTypeVersion] | None = None
) -> dict[int, Errors]:
    """What is wrong, by row from 0 and by field; stores nothing."""
    if versions is None:
        versions = _versions({each.type_name for each in wanted})
    callbacks = check_callbacks(each.callback_url for each in wanted)
    found = {
        row: _errors(each, versions.get(each.type_name))
        | callbacks.get(each.callback_url, {})
        for row, each in enumerate(wanted)
    }
    if len(wanted) > MOST:
        found[MOST] = {"type": [f"At most {MOST:,} jobs at once."]}
    return {row: errors for row, errors in found.items() if errors}


def _told(errors: dict[int, Errors]) -> Errors:
    """As many as anybody reads, in one dict."""
    return {
        f"{row}.{name}": said
        for row, found in islice(errors.items(), MOST_TOLD)
        for name, said in found.items()
    }


def _errors(wanted: Wanted, version: JobTypeVersion | None) -> Errors:
    if version is None:
        return {"type": [f"There is no job type {wanted.type_name!r}."]}
    rest = check_rest(wanted.title, wanted.metadata, wanted.limits)
    return check_input(version, wanted.given) | rest


def _versions(names: Collection[str]) -> dict[str, JobTypeVersion]:
    """The newest version of each of these types that takes jobs."""
    same_type = JobTypeVersion.objects.filter(job_type=OuterRef("job_type"))
    found = JobTypeVersion.objects.filter(
        job_type__name__in=names,
        job_type__is_active=True,
        pk=same_type.order_by("-number").values("pk")[:1],
    )
    return {each.job_type.name: each for each in found.select_related("job_type")}


def _job(wanted: Wanted, version: JobTypeVersion, by: User, now: datetime) -> Job:
    return Job(
        version=version,
        title=wanted.title,
        input=wanted.given,
        metadata=wanted.metadata,
        callback_url=wanted.callback_url,
        requester=by,
        **wanted.limits,
        **times(version, wanted.deadline_seconds, now),
    )
