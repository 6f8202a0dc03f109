"""Viewing: when a reviewer first had something before the eyes."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from jobs.models import Citation
from reviews.models.review import Review


class Viewing(models.Model):
    """The page of a review; with a `citation`, that one, opened."""

    review = models.ForeignKey(Review, models.PROTECT, related_name="viewings")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT)
    citation = models.ForeignKey(
        Citation, models.PROTECT, null=True, blank=True, related_name="viewings"
    )
    at = models.DateTimeField()

    class Meta:
        ordering = ["review_id", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["review", "by"],
                condition=Q(citation=None),
                name="one_viewing_per_person_and_page",
            ),
            models.UniqueConstraint(
                fields=["review", "by", "citation"],
                condition=~Q(citation=None),
                name="one_viewing_per_person_and_citation",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.by} saw {self.citation or self.review}"
