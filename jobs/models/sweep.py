"""Sweep: a minute and a half of work, with its heartbeat and its stop signal."""

from datetime import datetime

from django.db import models


class SweepQuerySet(models.QuerySet["Sweep"]):
    """What is asked of sweeps, with business names."""

    def last_beat(self, lane: str) -> datetime | None:
        """When this lane last gave a sign of life."""
        return self.filter(lane=lane).aggregate(top=models.Max("beat_at"))["top"]

    def last_end(self, lane: str) -> datetime | None:
        """When a run of this lane last came to its end."""
        return self.filter(lane=lane).aggregate(top=models.Max("ended_at"))["top"]


class Sweep(models.Model):
    """Whoever sets `ended_at` ends the sweep: it looks once a second."""

    PROVIDER = "provider"
    OUTBOX = "outbox"
    DOCTOR = "doctor"
    CLEANUP = "cleanup"

    lane = models.CharField(
        max_length=20,
        choices=[
            (PROVIDER, "starts and asks"),
            (OUTBOX, "sends what was approved"),
            (DOCTOR, "looks for what should not be"),
            (CLEANUP, "deletes what is old"),
        ],
    )
    host = models.CharField(max_length=255)
    pid = models.PositiveIntegerField()
    started_at = models.DateTimeField()
    beat_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    handled = models.PositiveIntegerField(default=0)

    objects = SweepQuerySet.as_manager()

    class Meta:
        ordering = ["-started_at"]
        indexes = [models.Index(fields=["lane", "-beat_at"], name="sweep_last_beat")]

    def __str__(self) -> str:
        return f"{self.get_lane_display()} at {self.host} since {self.started_at:%H:%M}"
