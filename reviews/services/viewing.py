"""When a reviewer first had something before the eyes."""

from django.contrib.auth.models import User
from django.utils import timezone

from reviews.models import Review, Viewing


def note_viewing(review: Review, *, by: User) -> None:
    """Note that this person opened its page; only the first time counts."""
    if review.viewings.filter(by=by, citation=None).exists():
        return
    first = Viewing(review=review, by=by, at=timezone.now())
    Viewing.objects.bulk_create([first], ignore_conflicts=True)
