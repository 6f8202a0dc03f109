"""Conversation: where jobs of a thread run at the provider; the copy of its items."""

import uuid
from typing import Self

from django.db import models
from django.db.models import Q

from jobs.models.evidence import EvidenceTrace
from jobs.models.job import Job, Reason
from jobs.models.thread import Thread


class ConversationQuerySet(models.QuerySet["Conversation"]):
    """What is asked of conversations, with business names."""

    def at_provider(self) -> Self:
        """Those that stand there, as far as we know."""
        return self.filter(deleted_at=None).exclude(conversation_id=None)

    def unanswered(self) -> Self:
        """Those that the provider was asked to make, and nothing was noted since."""
        return self.filter(conversation_id=None, lost_at=None).exclude(asked_at=None)

    def lost(self) -> Self:
        """Whose create was never answered: they may stand there, and nobody can ask."""
        return self.exclude(lost_at=None)


class Conversation(models.Model):
    """Row first: its uuid goes into the provider's metadata, then the id is noted."""

    uuid = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    thread = models.ForeignKey(Thread, models.PROTECT, related_name="conversations")
    number = models.PositiveIntegerField(help_text="Counts the thread's conversations.")
    previous = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="+"
    )
    conversation_id = models.CharField(
        max_length=200, unique=True, null=True, blank=True
    )
    created_at = models.DateTimeField()
    asked_at = models.DateTimeField(
        null=True, blank=True, help_text="When the provider was asked to make it."
    )
    made_at = models.DateTimeField(null=True, blank=True)
    lost_at = models.DateTimeField(
        null=True, blank=True, help_text="When its create was given up unanswered."
    )
    full_at = models.DateTimeField(
        null=True, blank=True, help_text="When its limit was reached."
    )
    ended_at = models.DateTimeField(
        null=True, blank=True, help_text="When the next one began, or it was lost."
    )
    copied_at = models.DateTimeField(
        null=True, blank=True, help_text="When all its items were here, and counted."
    )
    items_copied = models.PositiveIntegerField(null=True, blank=True)
    deleted_at = models.DateTimeField(
        null=True, blank=True, help_text="When it was deleted at the provider."
    )

    objects = ConversationQuerySet.as_manager()

    class Meta:
        ordering = ["thread_id", "number"]
        constraints = [
            models.UniqueConstraint(
                fields=["thread"],
                condition=Q(ended_at=None),
                name="one_conversation_of_now_per_thread",
            ),
            models.UniqueConstraint(
                fields=["thread", "number"], name="one_conversation_per_number"
            ),
            models.CheckConstraint(
                name="conversation_copied_is_counted",
                condition=Q(copied_at=None) | Q(items_copied__isnull=False),
            ),
        ]
        indexes = [
            models.Index(
                fields=["lost_at"],
                name="conversation_lost",
                condition=Q(lost_at__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return f"conversation {self.number} of {self.thread}"

    def count_messages(self) -> int:
        """What was asked and answered in it, as far as it still stands there."""
        left = self.attempts.in_conversation()
        asked = left.exclude(reason=Reason.TOOL_OUTPUTS).count()
        kind = EvidenceTrace.Kind.MESSAGE
        said = EvidenceTrace.objects.filter(attempt__in=left, kind=kind).count()
        return asked + said


class ThreadItem(models.Model):
    """One item of a conversation, copied; `job`: whose it is, where that is known."""

    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="items")
    position = models.PositiveIntegerField()
    item_id = models.CharField(max_length=200)
    kind = models.CharField(max_length=60)
    role = models.CharField(max_length=20, blank=True)
    said_by_us = models.BooleanField(
        default=False, help_text="Asked or answered from here, not by the model."
    )
    body = models.TextField(help_text="As the provider gave it; JSON.")
    job = models.ForeignKey(
        Job, models.PROTECT, null=True, blank=True, related_name="+"
    )
    copied_at = models.DateTimeField()

    class Meta:
        ordering = ["conversation_id", "position"]
        constraints = [
            models.UniqueConstraint(
                fields=["conversation", "item_id"], name="one_copy_of_each_item"
            ),
            models.UniqueConstraint(
                fields=["conversation", "position"], name="one_item_at_each_position"
            ),
        ]

    def __str__(self) -> str:
        return f"item {self.position} of {self.conversation}"
