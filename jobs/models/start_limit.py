"""StartLimit: how much may run at the provider at a time, and begin in a minute."""

from datetime import datetime, timedelta

from django.db import models
from django.db.models import Q, QuerySet

from jobs.models.attempt import Attempt

MINUTE = timedelta(minutes=1)


class StartLimitQuerySet(models.QuerySet["StartLimit"]):
    """What is asked of start limits, with business names."""

    def locked(self) -> list["StartLimit"]:
        """All of them, locked until the transaction ends."""
        return list(self.order_by("pk").select_for_update())

    def holding(self, model: str, now: datetime) -> "StartLimit | None":
        """The limit that keeps jobs of this model waiting now, if there is one."""
        found = self.filter(model__in=["", model]).order_by("model")
        return next((limit for limit in found if not limit.room(now)), None)


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

    objects = StartLimitQuerySet.as_manager()

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

    def room(self, now: datetime) -> int:
        """How many more may start now."""
        left = []
        if self.most_running is not None:
            left.append(
                self.most_running - self._attempts.filter(ended_at=None).count()
            )
        if self.most_per_minute is not None:
            lately = self._attempts.filter(created_at__gt=now - MINUTE)
            left.append(self.most_per_minute - lately.count())
        return max(0, min(left))

    @property
    def _attempts(self) -> QuerySet[Attempt]:
        if not self.model:
            return Attempt.objects.all()
        return Attempt.objects.filter(job__version__model=self.model)

    @property
    def sentence(self) -> str:
        """What it says, as people are told it."""
        said = []
        if self.most_running is not None:
            said.append(f"{self.most_running} run at the same time")
        if self.most_per_minute is not None:
            said.append(f"{self.most_per_minute} start in a minute")
        return f"at most {' and '.join(said)} ({self})"
