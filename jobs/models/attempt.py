"""Attempt: one run of a job at the provider, and the body it came back with."""

import uuid
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Self

from django.db import models
from django.db.models import Q

from jobs.models.job import Job, Reason
from jobs.policy.failures import FailureClass
from jobs.provider.base import ANSWERED, LEAVES_ITEMS

# For so long the provider repeats an event: what is told later is told no more.
MISSED_FOR = timedelta(hours=72)
# A start that is not answered by then was not begun, or is lost: the lease of a claim.
IN_THE_AIR = timedelta(seconds=15)


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

    def in_the_air(self, now: datetime) -> Self:
        """Those that may be at work at the provider: settled they are not.

        Of one whose start was not answered that holds for a while.
        """
        unanswered = Q(
            response_id=None,
            created_at__gt=now - IN_THE_AIR,
            failure_class__in=["", FailureClass.LOST],
        )
        known = Q(response_id__isnull=False)
        return self.filter(known | unanswered, settled_at=None)

    def in_conversation(self) -> Self:
        """Those that left items in a conversation which stands at the provider."""
        return self.filter(
            conversation__isnull=False,
            conversation__deleted_at=None,
            taken_out_at=None,
            provider_status__in=LEAVES_ITEMS,
        )

    def to_take_out(self) -> Self:
        """Those whose items are to leave the conversation."""
        return self.filter(taken_out_at=None).exclude(take_out_at=None)

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
    conversation = models.ForeignKey(
        "jobs.Conversation",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="attempts",
        help_text="In which it runs.",
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
    take_out_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Since when its items are to be taken out of the conversation.",
    )
    taken_out_at = models.DateTimeField(
        null=True, blank=True, help_text="When they were."
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
        ordering = ["job_id", "number"]
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
            models.Index(
                fields=["take_out_at"],
                name="attempt_to_take_out",
                condition=Q(take_out_at__isnull=False, taken_out_at__isnull=True),
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

    def stands_in(self, conversation: int) -> bool:
        """Whether what it said is surely there: it was completed, and left in."""
        same = self.conversation_id == conversation and self.take_out_at is None
        return same and self.provider_status == ANSWERED


class RawResponse(models.Model):
    """The provider's body as it came, apart from the rows that lists read."""

    attempt = models.OneToOneField(
        Attempt, models.CASCADE, related_name="raw", primary_key=True
    )
    body = models.TextField()
    received_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"raw response of {self.attempt}"
