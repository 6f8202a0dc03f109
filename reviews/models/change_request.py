"""ChangeRequest: one thing that a reviewer wants otherwise."""

from django.conf import settings
from django.db import models

from reviews.models.decision import Decision


class ChangeRequest(models.Model):
    """Asked for with a decision, and marked done or not in the next round.

    `text` is a reviewer's own words, and may be erased.
    """

    decision = models.ForeignKey(
        Decision, models.PROTECT, related_name="change_requests"
    )
    position = models.PositiveSmallIntegerField()
    text = models.TextField()
    done = models.BooleanField(null=True, help_text="Empty while nobody has looked.")
    judged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True
    )
    judged_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["decision_id", "position"]
        constraints = [
            models.UniqueConstraint(
                fields=["decision", "position"], name="one_change_request_per_position"
            )
        ]

    def __str__(self) -> str:
        return self.text
