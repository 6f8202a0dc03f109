"""StartLimit: how much may run at the provider at a time, and begin in a minute."""

from django.db import models
from django.db.models import Q


class StartLimit(models.Model):
    """A cap on new starts, for one model or for all; jobs beyond it wait their turn.

    Sweeps lock these rows while they begin jobs, so that several of them together
    keep within it.
    """

    model = models.CharField(
        max_length=100, unique=True, blank=True, help_text="Empty: all of them."
    )
    most_running = models.PositiveIntegerField(
        null=True, blank=True, help_text="Runs at the same time; empty: any number."
    )
    most_per_minute = models.PositiveIntegerField(
        null=True, blank=True, help_text="Starts in a minute; empty: any number."
    )

    class Meta:
        ordering = ["model"]
        constraints = [
            models.CheckConstraint(
                name="start_limit_limits_something",
                condition=Q(most_running__isnull=False)
                | Q(most_per_minute__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return self.model or "all models"
