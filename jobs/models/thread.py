"""Thread: a conversation at the provider that several jobs share, one at a time."""

import uuid
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Self

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Exists, OuterRef, Q

from jobs.models.job import Job
from jobs.models.job import Status as JobStatus

if TYPE_CHECKING:
    from jobs.models.conversation import Conversation


class Stage(models.TextChoices):
    """How far it is on its way out; what is open may run jobs."""

    OPEN = "open", "open"
    ARCHIVING = "archiving", "archiving"
    ARCHIVED = "archived", "archived"
    DELETING = "deleting", "deleting"
    DELETED = "deleted", "deleted"


class State(models.TextChoices):
    """What people are told: its stage, and of an open one what its job does."""

    IDLE = "idle", "idle"
    ACTIVE = "active", "active"
    REQUIRES_ACTION = "requires_action", "requires action"
    ARCHIVING = "archiving", "archiving"
    ARCHIVED = "archived", "archived"
    DELETING = "deleting", "deleting"
    DELETED = "deleted", "deleted"


S = Stage
CLOSING = [S.ARCHIVING, S.DELETING]
CLOSED = [S.ARCHIVED, S.DELETED]
STATES: dict[str, Q] = {
    State.IDLE: Q(stage=S.OPEN, active_job=None),
    State.ACTIVE: Q(stage=S.OPEN, active_job__isnull=False)
    & ~Q(active_job__status=JobStatus.REQUIRES_ACTION),
    State.REQUIRES_ACTION: Q(
        stage=S.OPEN, active_job__status=JobStatus.REQUIRES_ACTION
    ),
    **{stage: Q(stage=stage) for stage in [*CLOSING, *CLOSED]},
}


class ThreadQuerySet(models.QuerySet["Thread"]):
    """What is asked of threads, with business names."""

    def living(self) -> Self:
        """Whose key is taken."""
        return self.exclude(stage=Stage.DELETED)

    def visible_to(self, person: AbstractBaseUser | AnonymousUser) -> Self:
        """All, for those who may see all jobs; else the person's own."""
        if getattr(person, "has_perm", lambda _: False)("jobs.view_all_jobs"):
            return self
        return self.filter(owner_id=person.pk)

    def due(self, now: datetime) -> Self:
        """Those that are owed a step."""
        return self.filter(wake_at__lte=now).order_by("wake_at")

    def past_their_time(self, now: datetime) -> Self:
        """Which are to be deleted, were there no legal hold."""
        return self.filter(expires_at__lte=now, stage__in=[Stage.OPEN, Stage.ARCHIVED])

    def expired(self, now: datetime) -> Self:
        """Whose time is over, unless a job in it is on legal hold."""
        held = Job.objects.filter(thread=OuterRef("pk"), legal_hold=True)
        return self.past_their_time(now).exclude(Exists(held))


class Thread(models.Model):
    """Known by a key of ours, unique per owner while it lives.

    `active_job` has the turn: nobody else starts before it is given back.
    """

    Stage = Stage
    State = State

    public_id = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    key = models.CharField(max_length=200)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="threads"
    )
    stage = models.CharField(
        max_length=20, choices=Stage, default=Stage.OPEN, editable=False
    )
    active_job = models.OneToOneField(
        Job, models.PROTECT, null=True, blank=True, related_name="+", editable=False
    )
    metadata = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    max_messages = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(2)],
        help_text="After which a new conversation begins; empty: as its jobs' types "
        "say.",
    )
    max_age_seconds = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="After which a new conversation begins; empty: as its jobs' types "
        "say.",
    )
    wake_at = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="When its next step is owed; until it is done, no job starts in it.",
    )
    keeps_copy = models.BooleanField(
        default=False,
        editable=False,
        help_text="Its items are kept when it is deleted.",
    )
    taking_out = models.JSONField(
        null=True,
        blank=True,
        editable=False,
        help_text="The items on their way out of the conversation.",
    )
    tries = models.PositiveIntegerField(
        default=0, editable=False, help_text="Of its next step, in vain so far."
    )
    trouble = models.TextField(
        blank=True, editable=False, help_text="Why its next step did not succeed yet."
    )
    closing_at = models.DateTimeField(null=True, blank=True, editable=False)
    archived_at = models.DateTimeField(null=True, blank=True, editable=False)
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = ThreadQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        permissions = [("close_thread", "Can archive and delete others' threads")]
        indexes = [
            models.Index(
                fields=["wake_at"],
                name="thread_due",
                condition=Q(wake_at__isnull=False),
            ),
            models.Index(
                fields=["expires_at"],
                name="thread_expires",
                condition=Q(expires_at__isnull=False),
            ),
            # Not of those that close alone: SQLite does not see that it would do.
            models.Index(fields=["stage"], name="thread_by_stage"),
            models.Index(fields=["-created_at", "-id"], name="thread_newest"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "key"],
                condition=~Q(stage=Stage.DELETED),
                name="one_living_thread_per_owner_and_key",
            ),
            models.CheckConstraint(
                name="thread_stage_known", condition=Q(stage__in=Stage.values)
            ),
            models.CheckConstraint(
                name="thread_on_its_way_out_is_woken",
                condition=~Q(stage=Stage.DELETING) | Q(wake_at__isnull=False),
            ),
            models.CheckConstraint(
                name="thread_closed_has_no_job_and_owes_nothing",
                condition=~Q(stage__in=CLOSED)
                | Q(active_job__isnull=True, wake_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return self.key

    @property
    def state(self) -> str:
        """Idle or what its job does; or how far it is on its way out."""
        if self.stage != Stage.OPEN:
            return self.stage
        if self.active_job is None:
            return State.IDLE.value
        waits = self.active_job.status == JobStatus.REQUIRES_ACTION
        return (State.REQUIRES_ACTION if waits else State.ACTIVE).value

    @property
    def conversation(self) -> "Conversation | None":
        """The one that jobs run in now."""
        return self.conversations.filter(ended_at=None).first()

    @property
    def line(self) -> models.QuerySet[Job]:
        """The jobs that wait to be started in it, first come first."""
        return self.jobs.filter(status=JobStatus.QUEUED).order_by("pk")

    @property
    def job_in_front(self) -> Job | None:
        """The one that has the turn, or will have it next."""
        return self.active_job or self.line.first()

    def is_full(
        self,
        conversation: "Conversation",
        *,
        max_messages: int | None,
        max_age_seconds: int | None,
        now: datetime,
    ) -> bool:
        """Whether a new conversation is to begin: its own limits, else those given."""
        most, age = (
            self.max_messages or max_messages,
            self.max_age_seconds or max_age_seconds,
        )
        began = conversation.made_at or now
        if age is not None and now - began >= timedelta(seconds=age):
            return True
        return most is not None and conversation.count_messages() >= most
