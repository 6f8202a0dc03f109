"""Delivery: one approved result on its way to one destination."""

import uuid
from datetime import datetime
from typing import Any, ClassVar, Self

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import models
from django.db.models import Q

from jobs.kit.rights import SYSTEM
from jobs.lifecycle import Lifecycle, Move, move_all
from jobs.models import Job, Result
from reviews.models.decision import Decision
from reviews.models.destination import DestinationVersion


class Status(models.TextChoices):
    """Where a delivery is; README.md tells which may follow which."""

    PENDING = "pending", "pending"
    SENDING = "sending", "sending"
    DELIVERED = "delivered", "delivered"
    FAILED = "failed", "failed"
    UNCERTAIN = "uncertain", "uncertain"
    REFUSED = "refused", "refused"
    WITHDRAWN = "withdrawn", "withdrawn"


S = Status
OPEN = [S.PENDING, S.SENDING]
FINAL = [status for status in S if status not in OPEN]
DEAD = [S.REFUSED, S.WITHDRAWN]  # another may take the place of these


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    """What is asked of deliveries, with business names."""

    def due(self, now: datetime) -> Self:
        return self.filter(wake_at__lte=now).order_by("wake_at")

    def in_flight(self, now: datetime) -> Self:
        """Those being sent: longer than a lease no try takes."""
        return self.filter(status=Status.SENDING, wake_at__gt=now)

    def visible_to(self, person: AbstractBaseUser | AnonymousUser) -> Self:
        """Those of one's own jobs; with the rights to, all."""
        may = getattr(person, "has_perm", lambda _: False)
        if may("jobs.view_all_jobs") and may("reviews.view_delivery"):
            return self
        return self.filter(job__requester_id=person.pk)


class Delivery(Lifecycle):
    """The request as it was approved, sent as stored; its try counts and its end."""

    Status = Status
    MOVES: ClassVar[dict[str, set[str]]] = {
        S.PENDING: {S.SENDING, S.REFUSED, S.WITHDRAWN},
        S.SENDING: {S.DELIVERED, S.PENDING, S.FAILED, S.UNCERTAIN, S.REFUSED},
        S.FAILED: {S.PENDING, S.WITHDRAWN},
        S.UNCERTAIN: {S.PENDING, S.DELIVERED, S.WITHDRAWN},
        S.REFUSED: {S.WITHDRAWN},
        S.DELIVERED: set(),
        S.WITHDRAWN: set(),
    }
    FINAL = frozenset(FINAL)
    EVENT_KIND = "delivery"

    uuid = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    status = models.CharField(
        max_length=20, choices=Status, default=Status.PENDING, editable=False
    )
    job = models.ForeignKey(Job, models.PROTECT, related_name="deliveries")
    result = models.ForeignKey(Result, models.PROTECT, related_name="deliveries")
    decision = models.ForeignKey(Decision, models.PROTECT, related_name="deliveries")
    destination_version = models.ForeignKey(
        DestinationVersion, models.PROTECT, related_name="deliveries"
    )
    destination = models.ForeignKey(
        "reviews.Destination", models.PROTECT, related_name="deliveries"
    )
    request = models.TextField(help_text="What is sent, as canonical JSON.")
    request_hash = models.CharField(max_length=64)
    tries = models.PositiveSmallIntegerField(default=0)
    tries_before = models.PositiveSmallIntegerField(
        default=0,
        editable=False,
        help_text="Those made before a person last had it resent.",
    )
    failure_class = models.CharField(
        max_length=20, blank=True, help_text="Why the last try did not arrive."
    )
    created_at = models.DateTimeField()

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        verbose_name_plural = "deliveries"
        permissions = [("resend_delivery", "Can resend and withdraw deliveries")]
        indexes = [
            models.Index(
                fields=["wake_at"],
                name="delivery_due",
                condition=Q(wake_at__isnull=False),
            )
        ]
        constraints = [
            models.CheckConstraint(
                name="delivery_status_known", condition=Q(status__in=Status.values)
            ),
            models.CheckConstraint(
                name="delivery_final_iff_finished_iff_never_woken",
                condition=Q(
                    status__in=FINAL, finished_at__isnull=False, wake_at__isnull=True
                )
                | Q(status__in=OPEN, finished_at__isnull=True, wake_at__isnull=False),
            ),
            models.UniqueConstraint(
                fields=["result", "destination"],
                condition=~Q(status__in=DEAD),
                name="one_live_delivery_per_result_and_destination",
            ),
        ]

    def __str__(self) -> str:
        return f"delivery of {self.job} to {self.destination}"

    @property
    def history(self) -> Any:
        return self.job.events

    @property
    def told(self) -> dict[str, str]:
        """What an event says besides: which of its job's deliveries it is about."""
        return {"to": str(self.destination), "delivery": str(self.uuid)}

    def going(self, to: str, note: str = "", **changes: Any) -> Move:
        """A move whose event tells which of its job's deliveries it is about."""
        return Move(self, to, note, self.told, changes)

    def move(
        self, to: str, *, actor: str = SYSTEM, note: str = "", **changes: Any
    ) -> None:
        move_all([self.going(to, note, **changes)], actor=actor)

    def can_still_be_undone(self, now: datetime) -> bool:
        """Whether it only waits for the time to pass in which it can be taken back."""
        untried = self.status == Status.PENDING and self.tries == 0
        return untried and self.wake_at is not None and self.wake_at > now

    @property
    def webhook_id(self) -> str:
        """The same at every try, so that a receiver can tell a repeat."""
        return f"msg_{self.uuid.hex}"


class DeliveryAttempt(models.Model):
    """One try: what the receiver answered, and how long it took."""

    CUT_SHORT = "Cut short: we stopped before noting its answer."

    delivery = models.ForeignKey(Delivery, models.PROTECT, related_name="attempts")
    number = models.PositiveSmallIntegerField()
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    http_status = models.PositiveSmallIntegerField(null=True, blank=True)
    milliseconds = models.PositiveIntegerField(null=True, blank=True)
    outcome = models.CharField(max_length=200, blank=True)
    left = models.BooleanField(
        default=True, help_text="Content may have got out, whatever came of it."
    )
    answer = models.TextField(blank=True, help_text="The first kilobytes of it.")

    class Meta:
        ordering = ["delivery_id", "number"]
        constraints = [
            models.UniqueConstraint(
                fields=["delivery", "number"], name="one_delivery_attempt_per_number"
            )
        ]

    def __str__(self) -> str:
        return f"try {self.number} of {self.delivery}"
