"""Review: the request for a person's decision on a completed job."""

from datetime import datetime
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q

from jobs.models import Citation, Job, Result


class ReviewQuerySet(models.QuerySet["Review"]):
    """What is asked of reviews, with business names."""

    def open(self) -> Self:
        return self.filter(closed_at=None)

    def overdue(self, now: datetime) -> Self:
        return self.open().filter(due_at__lte=now)

    def queue(self) -> Self:
        """What waits for a decision, oldest due first."""
        return self.open().order_by("due_at", "pk")


class Review(models.Model):
    """Open until it is decided, recalled or given up. `policy`: a copy, as it was.

    `revision` is guarded by every claim, edit, verdict, check and decision.
    """

    job = models.ForeignKey(Job, models.PROTECT, related_name="reviews")
    result = models.ForeignKey(Result, models.PROTECT, related_name="reviews")
    round = models.PositiveSmallIntegerField(default=1)
    revision = models.PositiveIntegerField(default=1)
    policy = models.JSONField(default=dict)
    opened_at = models.DateTimeField()
    due_at = models.DateTimeField()
    remind_at = models.DateTimeField(
        null=True, blank=True, help_text="When reviewers are reminded of it."
    )
    escalate_at = models.DateTimeField(
        null=True, blank=True, help_text="When others are told of it."
    )
    told_at = models.DateTimeField(
        null=True, blank=True, help_text="When its reviewers were told that it waits."
    )
    closed_at = models.DateTimeField(null=True, blank=True)
    claimed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True
    )
    claimed_until = models.DateTimeField(null=True, blank=True)

    objects = ReviewQuerySet.as_manager()

    class Meta:
        ordering = ["due_at", "pk"]
        permissions = [
            ("claim_review", "Can claim reviews"),
            ("decide_review", "Can approve and reject"),
        ]
        indexes = [
            models.Index(
                fields=["due_at", "id"],
                name="review_queue",
                condition=Q(closed_at__isnull=True),
            ),
            models.Index(
                fields=["remind_at"],
                name="review_reminders",
                condition=Q(closed_at__isnull=True, remind_at__isnull=False),
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["job"],
                condition=Q(closed_at=None),
                name="one_open_review_per_job",
            )
        ]

    def __str__(self) -> str:
        return f"review of {self.job}"


class Check(models.Model):
    """One thing to be confirmed before approving, by a person or by a rule."""

    review = models.ForeignKey(Review, models.PROTECT, related_name="checks")
    kind = models.CharField(
        max_length=10,
        choices=[("person", "by a person"), ("rule", "by a rule"), ("flag", "a flag")],
    )
    name = models.CharField(max_length=100)
    question = models.CharField(max_length=300)
    passed = models.BooleanField(null=True, help_text="Empty while it is open.")
    why = models.TextField(blank=True)
    done_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True
    )
    done_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["review", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["review", "name"], name="one_check_per_name"
            )
        ]

    def __str__(self) -> str:
        return self.question


class Verdict(models.TextChoices):
    """What a reviewer found when checking a citation."""

    SUPPORTS = "supports", "supports it"
    DOES_NOT_SUPPORT = "does_not_support", "does not support it"
    CANNOT_TELL = "cannot_tell", "cannot tell"


class CitationVerdict(models.Model):
    """One reviewer's finding on one citation."""

    Verdict = Verdict

    review = models.ForeignKey(Review, models.PROTECT, related_name="verdicts")
    citation = models.ForeignKey(Citation, models.PROTECT, related_name="verdicts")
    verdict = models.CharField(max_length=20, choices=Verdict)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT)
    at = models.DateTimeField()

    class Meta:
        ordering = ["review", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["review", "citation", "by"],
                name="one_verdict_per_citation_and_person",
            )
        ]

    def __str__(self) -> str:
        return f"{self.citation}: {self.get_verdict_display()}"
