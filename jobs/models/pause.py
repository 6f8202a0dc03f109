"""Pause: a reason why new starts or deliveries wait."""

from datetime import datetime
from typing import Self

from django.db import models
from django.db.models import Q


class PauseQuerySet(models.QuerySet["Pause"]):
    """What is asked of pauses, with business names."""

    def active(self) -> Self:
        return self.filter(ended_at=None)

    def of_starts(self) -> Self:
        return self.active().filter(scope=Pause.STARTS)


class Pause(models.Model):
    """`scope`: "starts", "deliveries", or one destination ("destination:7")."""

    STARTS = "starts"
    DELIVERIES = "deliveries"

    scope = models.CharField(max_length=60)
    reason = models.CharField(
        max_length=20,
        choices=[("auth", "key"), ("quota", "quota"), ("person", "by a person")],
    )
    note = models.CharField(max_length=500, blank=True)
    actor = models.CharField(max_length=150)
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    probe_at = models.DateTimeField(
        null=True, blank=True, help_text="When to try whether its reason is gone."
    )

    objects = PauseQuerySet.as_manager()

    class Meta:
        ordering = ["-began_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["scope", "reason"],
                condition=Q(ended_at=None),
                name="one_active_pause_per_scope_and_reason",
            )
        ]

    def __str__(self) -> str:
        return f"{self.scope} paused: {self.note or self.get_reason_display()}"

    def is_due(self, now: datetime) -> bool:
        return self.probe_at is not None and self.probe_at <= now
