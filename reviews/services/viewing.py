"""When a reviewer first had something before the eyes, and how long it took."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.utils import timezone

from jobs.models import Citation
from reviews.models import Review, Viewing


@dataclass(frozen=True)
class Reading:
    """One reviewer's way through a review: what was opened, and when it was decided."""

    by: User
    first_seen: datetime
    opened: int  # citations of the result
    decided_at: datetime | None

    @property
    def took(self) -> timedelta | None:
        return self.decided_at - self.first_seen if self.decided_at else None


def note_viewing(review: Review, *, by: User, citation: Citation | None = None) -> None:
    """This person opened its page, or a citation on it; only the first time counts."""
    if review.viewings.filter(by=by, citation=citation).exists():
        return
    first = Viewing(review=review, by=by, citation=citation, at=timezone.now())
    Viewing.objects.bulk_create([first], ignore_conflicts=True)


def readings_of(review: Review) -> list[Reading]:
    """Everybody's, in the order in which they came."""
    viewings = list(review.viewings.select_related("by", "citation"))
    shown = [
        v for v in viewings if v.citation and v.citation.result_id == review.result_id
    ]
    opened = Counter(viewing.by_id for viewing in shown)
    decisions = review.decisions.on_the_result().order_by("pk")
    decided = dict(decisions.values_list("by", "at"))
    return [
        Reading(page.by, page.at, opened[page.by_id], decided.get(page.by_id))
        for page in viewings
        if page.citation is None
    ]
