"""Verdicts: what a reviewer found when looking a citation up."""

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from jobs.lifecycle import MoveRefused
from jobs.models import Citation
from reviews.models import CitationVerdict, Review
from reviews.services.seen import as_seen, outdate_pages
from reviews.services.viewing import note_viewing


@transaction.atomic
def set_verdict(
    review: Review, citation: Citation, verdict: str, *, by: User, seen: str
) -> None:
    """Note one's own finding, or another than before, on exactly what was `seen`.

    Raises as as_seen() does, and MoveRefused for a citation of another version.
    """
    review, _ = as_seen(review, by, seen)
    if citation.result_id != review.result_id:
        raise MoveRefused("This citation belongs to another version of the result.")
    CitationVerdict.objects.update_or_create(
        review=review,
        citation=citation,
        by=by,
        defaults={"verdict": verdict, "at": timezone.now()},
    )
    note_viewing(review, by=by, citation=citation)
    outdate_pages(review)
