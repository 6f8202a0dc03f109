"""Attempt: one run of a job at the provider, and the body it came back with."""

import uuid
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Self

from django.db import models
from django.db.models import Q

from jobs.models.job import Job, Reason
from jobs.policy.failures import FailureClass

# For so long the provider repeats an event: what is told later is told no more.
MISSED_FOR = timedelta(hours=72)


class AttemptQuerySet(models.QuerySet["Attempt"]):
    """What is asked of attempts, with business names."""

    def unsettled(self, now: datetime) -> Self:
        """Ended here, perhaps still running there, and due to be asked about."""
        return self.filter(
            ended_at__isnull=False, settled_at=None, wake_at__lte=now
        ).order_by("wake_at")

    def unanswered(self, now: datetime) -> Self:
        """Those that may have a response at the provider whose id we do not know."""
        return self.filter(
            response_id=None,
            created_at__gte=now - MISSED_FOR,
            failure_class__in=["", FailureClass.LOST],
        ).exclude(followers__reason=Reason.ADOPTED)

    def to_delete(self, now: datetime) -> Self:
        """Those whose response is to be deleted at the provider by now."""
        return self.filter(delete_at__lte=now).order_by("delete_at")


class Attempt(models.Model):
    """One run. `ended_at`: it moves the job no more; `settled_at`: its end is known."""

    Reason = Reason
    RETRIES = frozenset({Reason.RETRY, Reason.PERSON, Reason.ADOPTED})

    uuid = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    job = models.ForeignKey(Job, models.PROTECT, related_name="attempts")
    number = models.PositiveIntegerField(help_text="Counts the job's attempts.")
    tries = models.PositiveSmallIntegerField(
        default=1, help_text="Counts since a person last set it going."
    )
    reason = models.CharField(max_length=20, choices=Reason, default=Reason.FIRST)
    input = models.JSONField(
        null=True,
        blank=True,
        help_text="What it was run with, where that is not the job's input now.",
    )
    follows = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="followers",
        help_text="Whose response it continues.",
    )
    response_id = models.CharField(max_length=200, unique=True, null=True, blank=True)
    provider_status = models.CharField(max_length=40, blank=True)
    created_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)
    wake_at = models.DateTimeField(
        null=True, blank=True, help_text="When to ask again whether it has settled."
    )
    missing_since = models.DateTimeField(
        null=True, blank=True, help_text="Since when the provider does not find it."
    )
    delete_at = models.DateTimeField(
        null=True, blank=True, help_text="When to delete it at the provider."
    )
    deleted_at = models.DateTimeField(
        null=True, blank=True, help_text="When it was deleted at the provider."
    )
    failure_class = models.CharField(max_length=20, blank=True)
    failure_code = models.CharField(max_length=100, blank=True)
    failure_message = models.TextField(blank=True)
    follow_up = models.CharField(
        max_length=200, blank=True, help_text="What was decided when it ended."
    )
    input_tokens = models.PositiveBigIntegerField(null=True, blank=True)
    output_tokens = models.PositiveBigIntegerField(null=True, blank=True)
    total_tokens = models.PositiveBigIntegerField(null=True, blank=True)
    cost: Decimal | None = None  # in dollars; jobs.services.costs fills it in

    objects = AttemptQuerySet.as_manager()

    class Meta:
        ordering = ["job", "number"]
        indexes = [
            models.Index(
                fields=["wake_at"],
                name="attempt_unsettled",
                condition=Q(wake_at__isnull=False),
            ),
            models.Index(
                fields=["delete_at"],
                name="attempt_to_delete",
                condition=Q(delete_at__isnull=False),
            ),
            models.Index(fields=["created_at"], name="attempt_by_time"),
            models.Index(
                fields=["-settled_at"],
                name="attempt_last_settled",
                condition=Q(settled_at__isnull=False),
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["job"],
                condition=Q(ended_at=None),
                name="one_open_attempt_per_job",
            ),
            models.UniqueConstraint(
                fields=["job", "number"], name="one_attempt_per_number"
            ),
            models.CheckConstraint(
                name="attempt_ended_and_known_is_settled_or_woken",
                condition=Q(ended_at=None)
                | Q(response_id=None)
                | Q(settled_at__isnull=False)
                | Q(wake_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"attempt {self.number} of {self.job}"


class RawResponse(models.Model):
    """The provider's body as it came, apart from the rows that lists read."""

    attempt = models.OneToOneField(
        Attempt, models.CASCADE, related_name="raw", primary_key=True
    )
    body = models.TextField()
    received_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"raw response of {self.attempt}"
