"""Decision: approve, reject or request changes; only ever added."""

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q

from jobs.kit.canonical import digest_of
from jobs.models import Job, Result
from reviews.models.review import Review


def reference_of(job: Job, content_hash: str, by: str, at: str) -> str:
    """How receivers name a decision: it ties who and when to the job and the hash."""
    return digest_of([str(job.public_id), content_hash, by, at])


class DecisionQuerySet(models.QuerySet["Decision"]):
    """What is asked of decisions, with business names."""

    def on_the_result(self) -> Self:
        """Those on the result itself: of distinct people, as many as decided on it."""
        return self.filter(delivery=None)

    def approving(self, content_hash: str, drafts_hash: str) -> Self:
        """Those that accept this content and what would leave of it."""
        alike = self.filter(content_hash=content_hash, drafts_hash=drafts_hash)
        return alike.filter(verdict="approve")

    def counting_with(self, last: "Decision") -> Self:
        """The approvals that this one was given with, and itself: on the very same."""
        alike = self.approving(last.content_hash, last.drafts_hash)
        return alike.filter(review=last.review_id, delivery=last.delivery_id)


class Decision(models.Model):
    """Who, when, via what, on exactly what was `seen`; the database keeps it so.

    With a `delivery` it is about that one alone: what goes out in its place.
    """

    class Verdict(models.TextChoices):
        APPROVE = "approve", "approved"
        REJECT = "reject", "rejected"
        REQUEST_CHANGES = "request_changes", "changes requested"

    review = models.ForeignKey(Review, models.PROTECT, related_name="decisions")
    result = models.ForeignKey(Result, models.PROTECT, related_name="decisions")
    delivery = models.ForeignKey(
        "reviews.Delivery",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="decided_anew",
        help_text="The one it replaces; empty: it is on the result itself.",
    )
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
    drafts_hash = models.CharField(
        max_length=64,
        blank=True,
        help_text="Digest of what would leave, before author and time are known.",
    )
    request_hashes = models.JSONField(default=list, blank=True)
    seen = models.CharField(
        max_length=64, help_text="Digest of what the page showed when it was decided."
    )

    objects = DecisionQuerySet.as_manager()

    class Meta:
        ordering = ["review_id", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["review", "by", "content_hash", "drafts_hash"],
                condition=Q(delivery=None),
                name="one_decision_per_person_content_and_drafts",
            ),
            models.UniqueConstraint(
                fields=["delivery", "by", "drafts_hash"],
                condition=~Q(delivery=None),
                name="one_decision_per_person_delivery_and_draft",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_verdict_display()} by {self.by}"

    @property
    def reference(self) -> str:
        """The same that its deliveries tell their receivers."""
        by, job = self.by.get_username(), self.review.job
        return reference_of(job, self.content_hash, by, self.at.isoformat())

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
