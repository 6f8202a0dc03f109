"""Callback: a status event on its way to whoever asked for the job."""

import uuid
from datetime import datetime
from typing import Self

from django.db import models
from django.db.models import Q

from jobs.models import Job
from reviews.models.destination import Destination


class CallbackQuerySet(models.QuerySet["Callback"]):
    """What is asked of callbacks, with business names."""

    def due(self, now: datetime) -> Self:
        rows = self.filter(wake_at__lte=now).order_by("wake_at", "pk")
        return rows.select_related("job", "destination")


class Callback(models.Model):
    """Says that a job has come to a status, and nothing of its content.

    A notice, not a delivery: late or lost ones do no harm, the API tells the same.
    """

    uuid = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    job = models.ForeignKey(Job, models.PROTECT, related_name="callbacks")
    destination = models.ForeignKey(
        Destination, models.PROTECT, related_name="callbacks"
    )
    type = models.CharField(max_length=60, help_text="As in job.awaiting_review.")
    at = models.DateTimeField()
    tries = models.PositiveSmallIntegerField(default=0)
    wake_at = models.DateTimeField(null=True, blank=True)
    arrived_at = models.DateTimeField(null=True, blank=True)
    answer = models.CharField(max_length=300, blank=True)

    objects = CallbackQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        indexes = [
            models.Index(
                fields=["wake_at"],
                name="callback_due",
                condition=Q(wake_at__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return f"{self.type} of {self.job}"
