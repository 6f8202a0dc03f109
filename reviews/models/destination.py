"""Destination: where approved results may go."""

from datetime import datetime
from typing import Any

from django.db import models

from jobs.kit.versions import Version
from jobs.models import JobType


class Destination(models.Model):
    """A receiver with a name; where and how stands in its versions."""

    class Kind(models.TextChoices):
        WEBHOOK = "webhook", "signed webhook"
        EMAIL = "email", "email"
        HANDLER = "handler", "registered handler"

    name = models.CharField(max_length=100, unique=True)
    kind = models.CharField(max_length=10, choices=Kind)
    job_types = models.ManyToManyField(
        JobType,
        blank=True,
        related_name="destinations",
        help_text="Approved results of these types go here.",
    )
    is_active = models.BooleanField(default=True)
    secret = models.CharField(
        max_length=200, blank=True, editable=False, help_text="Signs the webhooks."
    )
    old_secret = models.CharField(
        max_length=200,
        blank=True,
        editable=False,
        help_text="Signs beside the new one while that is taken up.",
    )
    old_secret_until = models.DateTimeField(null=True, blank=True, editable=False)
    takes_callbacks = models.BooleanField(
        default=False,
        help_text="A job may name a callback_url under this address.",
    )
    off_because = models.CharField(
        max_length=300,
        blank=True,
        editable=False,
        help_text="Why it was switched off, where that was not a person.",
    )
    failures = models.PositiveIntegerField(
        default=0, editable=False, help_text="Tries in a row that did not get through."
    )
    rests_until = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Nothing is sent before that."
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def pause_scope(self) -> str:
        """How a Pause of its deliveries names it."""
        return f"destination:{self.pk}"

    def rests(self, now: datetime) -> bool:
        """Whether it is left in peace after failing in a row."""
        return self.rests_until is not None and self.rests_until > now

    def secrets_at(self, now: datetime) -> list[str]:
        """Those that sign then: the newest first, and beside it the one before."""
        overlaps = self.old_secret_until is not None and self.old_secret_until > now
        return [self.secret, self.old_secret] if overlaps else [self.secret]

    @property
    def current(self) -> "DestinationVersion | None":
        """The version that new deliveries go to: the newest."""
        return self.versions.order_by("-number").first()


class DestinationVersion(Version):
    """Address and headers of a destination; never changes."""

    OF = "destination"

    destination = models.ForeignKey(
        Destination, models.PROTECT, related_name="versions"
    )
    address = models.CharField(
        max_length=2_000, help_text="A URL, or mail addresses with commas between."
    )
    headers = models.JSONField(default=dict, blank=True)

    class Meta(Version.Meta):
        ordering = ["destination_id", "-number"]
        constraints = [
            models.UniqueConstraint(
                fields=["destination", "number"],
                name="one_destination_version_per_number",
            )
        ]

    def __str__(self) -> str:
        return f"{self.destination} v{self.number}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Another address: what its predecessor suffered from is over."""
        super().save(*args, **kwargs)
        healed = Destination.objects.filter(pk=self.destination_id)
        healed.update(failures=0, rests_until=None)
