"""Editing a result before it is decided on: a new version, by a person."""

from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from jobs.kit.rights import name_of
from jobs.lifecycle import Line, add_events
from jobs.models import Citation, Result
from jobs.policy.moving import Mover, Span
from jobs.policy.outcomes import Flag
from jobs.services.observe import validator_of
from jobs.services.submit import InvalidInput, check_value
from reviews.models import CitationVerdict, Review
from reviews.services.checks import renew_checks
from reviews.services.decide import require_whole
from reviews.services.seen import as_seen, outdate_pages

EDITED = "edited"
LONGEST = 1_000_000  # characters
# What an edit sets right by itself; of the others a person must still be told.
MENDED = {Flag.OFF_SCHEMA, Flag.EMPTY}


@transaction.atomic
def edit_result(
    review: Review, *, by: User, content: Any, base_seen: str, comment: str = ""
) -> Result:
    """A version with this content in place of the one that was seen.

    The review is about the new version from now on: what was approved before was
    another one. The comment is kept in the history. Raises PermissionDenied or
    StalePage as approve() does, CommentTooLong, and InvalidInput if the content does
    not do.
    """
    require_whole(comment)
    review, _ = as_seen(review, by, base_seen)
    base = review.result
    if errors := check_content(base, content):
        raise InvalidInput(errors)
    now = timezone.now()
    edited = _store_version(base, content, by, now)
    moved = Citation.objects.bulk_create(_moved_citations(base, edited))
    CitationVerdict.objects.bulk_create(_kept_verdicts(review, moved))
    review.result = edited
    review.save(update_fields=["result"])
    renew_checks(review, now)
    outdate_pages(review)
    hashes = {"was_sha256": base.content_hash, "sha256": edited.content_hash}
    data = {"result": edited.number, **hashes}
    line = Line(review.job.history, EDITED, comment, data)
    add_events([line], actor=name_of(by), now=now)
    return edited


def check_content(base: Result, content: Any) -> dict[str, list[str]]:
    """What is wrong with the edited content, by field ("content.title")."""
    if isinstance(content, str) and not content.strip():
        return {"content": ["This must not be empty."]}
    errors = check_value(content, validator_of(base.job.version), name="content")
    if errors:
        return errors
    if base.job.version.output_schema is None and not isinstance(content, str):
        return {"content": ["This must be text."]}
    edited = Result(job=base.job)
    edited.set_content(content)
    if edited.content_hash == base.content_hash:
        return {"content": ["Nothing was changed."]}
    if len(edited.body) > LONGEST:
        return {"content": [f"This must have at most {LONGEST:,} characters."]}
    return {}


def _store_version(base: Result, content: Any, by: User, now: datetime) -> Result:
    top = base.job.results.aggregate(top=Max("number"))["top"]
    edited = Result(
        job=base.job,
        number=top + 1,
        parent=base,
        author=by,
        flags=[flag for flag in base.flags if flag not in MENDED],
        created_at=now,
    )
    edited.set_content(content)
    edited.save()
    return edited


def _moved_citations(base: Result, edited: Result) -> list[Citation]:
    """Those whose passage still stands move along; the others are detached."""
    if not (isinstance(base.content, str) and isinstance(edited.content, str)):
        return []
    mover = Mover(base.content, edited.content)
    return [_moved(old, edited, mover) for old in base.citations.all()]


def _kept_verdicts(review: Review, moved: list[Citation]) -> list[CitationVerdict]:
    """What people found of passages that still stand; of detached ones all is open."""
    standing = {new.moved_from_id: new for new in moved if not new.is_detached}
    found = review.verdicts.filter(citation__in=standing)
    return [
        CitationVerdict(
            review=review,
            citation=standing[old.citation_id],
            verdict=old.verdict,
            by_id=old.by_id,
            at=old.at,
        )
        for old in found
    ]


def _moved(old: Citation, edited: Result, mover: Mover) -> Citation:
    span = Span(old.start, old.end, old.quote)
    found = None if old.is_detached else mover.move(span)
    return Citation(
        result=edited,
        position=old.position,
        start=found.start if found else 0,
        end=found.end if found else 0,
        quote=old.quote,
        title=old.title,
        url=old.url,
        file=old.file,
        moved_from=old,
        is_detached=found is None,
    )
