"""WebhookReceipt: one verified event that the provider sent us."""

from datetime import datetime
from typing import Self

from django.db import models
from django.db.models import Q


class Outcome(models.TextChoices):
    """What an event came to."""

    WOKE = "woke", "woke a job"
    KNOWN = "known", "nothing was open any more"
    WAITS = "waits", "may be a response we lost"
    ADOPTED = "adopted", "a lost response, adopted"
    ORPHAN = "orphan", "a lost response, cancelled"
    NOT_OURS = "not_ours", "not a response of ours"
    UNKNOWN_TYPE = "unknown_type", "an event we do not know"


class WebhookReceiptQuerySet(models.QuerySet["WebhookReceipt"]):
    """What is asked of receipts, with business names."""

    def due(self, now: datetime) -> Self:
        """Those whose response must be looked at to know whose it is."""
        return self.filter(wake_at__lte=now).order_by("wake_at")


class WebhookReceipt(models.Model):
    """Kept to answer each event once; its only effect on a job is to wake it."""

    Outcome = Outcome

    webhook_id = models.CharField(max_length=200, unique=True)
    type = models.CharField(max_length=100)
    response_id = models.CharField(max_length=200, blank=True)
    sent_at = models.DateTimeField(
        null=True, blank=True, help_text="When the provider made the event."
    )
    received_at = models.DateTimeField()
    repeats = models.PositiveIntegerField(
        default=0, help_text="How often it came again."
    )
    outcome = models.CharField(max_length=20, choices=Outcome, default=Outcome.KNOWN)
    note = models.CharField(max_length=300, blank=True)
    wake_at = models.DateTimeField(
        null=True, blank=True, help_text="When to look at a response we do not know."
    )

    objects = WebhookReceiptQuerySet.as_manager()

    class Meta:
        ordering = ["-received_at"]
        indexes = [
            models.Index(fields=["-received_at"], name="receipt_newest"),
            models.Index(
                fields=["wake_at"],
                name="receipt_due",
                condition=Q(wake_at__isnull=False),
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["response_id", "type"],
                condition=~Q(response_id=""),
                name="one_receipt_per_response_and_type",
            )
        ]

    def __str__(self) -> str:
        return f"{self.type} ({self.webhook_id})"
