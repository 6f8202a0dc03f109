"""The demo's job types, from files, and where their approved results go."""

import json
from pathlib import Path
from typing import Any

from django.db.models import Model

from jobs.models import JobType, JobTypeVersion
from reviews.models import Destination, DestinationVersion, ReviewPolicy

TYPES = Path(__file__).parent / "job_types"
TO_WEBHOOK = ("research-brief", "advisory-extraction", "refund-proposal")
TO_MAIL = ("customer-reply",)
Kind = Destination.Kind


def load_types() -> None:
    """The types in job_types/, each with a version that says what its file says."""
    for path in sorted(TYPES.glob("*.json")):
        load_type(json.loads(path.read_text()))


def load_type(said: dict[str, Any]) -> None:
    """A new version only if no version says the same: people may have made newer."""
    shown = {name: said.pop(name) for name in ("title", "description")}
    job_type, _ = JobType.objects.get_or_create(name=said.pop("name"), defaults=shown)
    policy = said.pop("review_policy")
    for version in job_type.versions.exclude(review_policy=None):
        if _says(version, said) and _says(version.review_policy, policy):
            return
    version = JobTypeVersion(job_type=job_type, **said)
    version.save()
    ReviewPolicy.objects.create(version=version, **policy)


def _says(row: Model, said: dict[str, Any]) -> bool:
    return all(getattr(row, name) == value for name, value in said.items())


def load_destinations(receiver: str, secret: str) -> None:
    """The receiver and the mailbox, where they are now."""
    _load("Order system", Kind.WEBHOOK, f"{receiver}/approved", TO_WEBHOOK, secret)
    _load("Letters going out", Kind.EMAIL, "letters@ostler-finch.example", TO_MAIL)


def _load(
    name: str, kind: str, address: str, types: tuple[str, ...], secret: str = ""
) -> None:
    destination, made = Destination.objects.get_or_create(
        name=name, defaults={"kind": kind}
    )
    if made:
        destination.job_types.set(JobType.objects.filter(name__in=types))
    if destination.secret != secret:
        Destination.objects.filter(pk=destination.pk).update(secret=secret)
    current = destination.current
    if current is None or current.address != address:
        DestinationVersion(destination=destination, address=address).save()
