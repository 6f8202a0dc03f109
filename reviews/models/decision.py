"""Decision: approve, reject or request changes; only ever added."""

from django.conf import settings
from django.db import models

from jobs.models import Result
from reviews.models.review import Review


class Decision(models.Model):
    """Who, when, via what, on exactly what was `seen`; the database keeps it so."""

    class Verdict(models.TextChoices):
        APPROVE = "approve", "approved"
        REJECT = "reject", "rejected"
        REQUEST_CHANGES = "request_changes", "changes requested"

    review = models.ForeignKey(Review, models.PROTECT, related_name="decisions")
    result = models.ForeignKey(Result, models.PROTECT, related_name="decisions")
    verdict = models.CharField(max_length=20, choices=Verdict)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="decisions"
    )
    at = models.DateTimeField()
    via = models.CharField(
        max_length=20, choices=[("admin", "the review page"), ("api", "the API")]
    )
    review_revision = models.PositiveIntegerField()
    content_hash = models.CharField(max_length=64)
    request_hashes = models.JSONField(default=list, blank=True)
    seen = models.CharField(
        max_length=64, help_text="Digest of what the page showed when it was decided."
    )

    class Meta:
        ordering = ["review", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["review", "by"], name="one_decision_per_person_and_review"
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_verdict_display()} by {self.by}"

    @property
    def comment(self) -> str:
        """What was said with it, unless that was erased."""
        beside = getattr(self, "beside", None)
        return beside.text if beside else ""


class DecisionComment(models.Model):
    """The reviewer's words: beside the decision, because they may be erased."""

    decision = models.OneToOneField(
        Decision, models.PROTECT, related_name="beside", primary_key=True
    )
    text = models.TextField()

    def __str__(self) -> str:
        return self.text
