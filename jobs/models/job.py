"""Job: one piece of work that someone asked for."""

import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Now

from jobs.lifecycle import Lifecycle
from jobs.models.job_type import JobTypeVersion

if TYPE_CHECKING:
    from jobs.models.attempt import Attempt
    from jobs.models.result import Result


class Status(models.TextChoices):
    """Where a job is; README.md tells which may follow which."""

    QUEUED = "queued", "queued"
    RUNNING = "running", "running"
    REQUIRES_ACTION = "requires_action", "requires action"
    COMPLETED = "completed", "completed"
    AWAITING_REVIEW = "awaiting_review", "awaiting review"
    APPROVED = "approved", "approved"
    DELIVERED = "delivered", "delivered"
    REJECTED = "rejected", "rejected"
    FAILED = "failed", "failed"
    CANCELLED = "cancelled", "cancelled"
    EXPIRED = "expired", "expired"
    ABANDONED = "abandoned", "abandoned"


class Reason(models.TextChoices):
    """Why a run was begun."""

    FIRST = "first", "first run"
    RETRY = "retry", "automatic retry"
    PERSON = "person", "retried by a person"
    CHANGES = "changes", "changes requested"
    TOOL_OUTPUTS = "tool_outputs", "answers supplied"
    ADOPTED = "adopted", "a lost response was found"


S = Status
MOVES: dict[str, set[str]] = {
    S.QUEUED: {S.RUNNING, S.FAILED, S.CANCELLED, S.EXPIRED},
    S.RUNNING: {
        S.COMPLETED,
        S.REQUIRES_ACTION,
        S.QUEUED,
        S.FAILED,
        S.CANCELLED,
        S.EXPIRED,
    },
    S.REQUIRES_ACTION: {S.QUEUED, S.CANCELLED, S.EXPIRED, S.ABANDONED},
    S.COMPLETED: {S.AWAITING_REVIEW},
    S.AWAITING_REVIEW: {S.APPROVED, S.REJECTED, S.QUEUED, S.CANCELLED, S.ABANDONED},
    S.APPROVED: {S.DELIVERED, S.AWAITING_REVIEW},
    S.FAILED: {S.QUEUED},
    S.CANCELLED: {S.QUEUED},
    S.EXPIRED: {S.QUEUED},
    S.ABANDONED: {S.AWAITING_REVIEW, S.REQUIRES_ACTION},
    S.REJECTED: set(),
    S.DELIVERED: set(),
}
OPEN = [S.QUEUED, S.RUNNING, S.REQUIRES_ACTION, S.AWAITING_REVIEW]
ASKED_ABOUT = [S.QUEUED, S.RUNNING]
BEFORE_COMPLETION = [S.QUEUED, S.RUNNING, S.REQUIRES_ACTION]
FINAL = [status for status in S if status not in OPEN]


class JobQuerySet(models.QuerySet["Job"]):
    """What is asked of jobs, with business names."""

    def due(self, now: datetime) -> Self:
        """Those whose time has come, and which are in nobody's hand."""
        free = Q(lease_until=None) | Q(lease_until__lte=now)
        return self.filter(free, wake_at__lte=now).order_by("wake_at")

    def overdue(self, now: datetime) -> Self:
        """Past their deadline; of a review, waking means that it is over.

        What runs is looked at once more: it may have been completed in time.
        """
        late = Q(status__in=[S.QUEUED, S.REQUIRES_ACTION], deadline_at__lte=now)
        return self.filter(late | Q(status=Status.AWAITING_REVIEW))

    def in_turn(self) -> Self:
        """Without those that wait for others in their thread, first come first."""
        ahead = Job.objects.filter(
            thread=OuterRef("thread"), status=S.QUEUED, pk__lt=OuterRef("pk")
        )
        free = Q(thread__active_job=None) & ~Exists(ahead)
        ready = Q(thread__wake_at=None, thread__stage__in=["open", "archiving"])
        return self.filter(
            Q(thread=None) | (ready & (Q(thread__active_job=F("pk")) | free))
        )

    def wake(self) -> int:
        """Have the sweep look at these at once, whatever it planned.

        Only those that the provider is asked about: to the others, waking means that
        their time is up.
        """
        return self.filter(status__in=ASKED_ABOUT).update(wake_at=Now())

    def visible_to(self, person: AbstractBaseUser | AnonymousUser) -> Self:
        """All, for those who may see all; else the person's own."""
        if getattr(person, "has_perm", lambda _: False)("jobs.view_all_jobs"):
            return self
        return self.filter(requester_id=person.pk)

    def revisions(self, public_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, int]:
        """The revision of each of these that is there, asked for in one query."""
        found = self.filter(public_id__in=list(public_ids)).order_by()
        return dict(found.values_list("public_id", "revision"))

    def counts_by_status(self) -> dict[str, int]:
        """How many jobs are in each status, zeros included."""
        found = dict(self.order_by().values_list("status").annotate(models.Count("pk")))
        return {status.value: found.get(status.value, 0) for status in Status}


class Job(Lifecycle):
    """One piece of work: what was asked, where it is, and when to look again."""

    Status = Status
    MOVES = MOVES
    FINAL = frozenset(FINAL)
    EVENT_KIND = "status"
    MOVABLE = Q(erased_at=None)  # what was said is gone: there is nothing to go on with

    public_id = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    status = models.CharField(
        max_length=20, choices=Status, default=Status.QUEUED, editable=False
    )
    version = models.ForeignKey(JobTypeVersion, models.PROTECT, related_name="jobs")
    title = models.CharField(max_length=200, blank=True)
    input = models.JSONField(default=dict)
    metadata = models.JSONField(default=dict, blank=True)
    requester = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="jobs"
    )
    thread = models.ForeignKey(
        "jobs.Thread", models.PROTECT, null=True, blank=True, related_name="jobs"
    )
    created_at = models.DateTimeField(editable=False)
    started_at = models.DateTimeField(null=True, blank=True, editable=False)
    deadline_at = models.DateTimeField(editable=False)
    deadline_seconds = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="How long it may take to complete; empty: as its type says.",
    )
    attempt_seconds = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="How long one attempt may take; empty: as its type says.",
    )
    steps = models.PositiveIntegerField(
        default=0, editable=False, help_text="Output items seen so far."
    )
    next_reason = models.CharField(
        max_length=20,
        choices=Reason,
        default=Reason.FIRST,
        editable=False,
        help_text="Why the next attempt will be begun.",
    )
    continues = models.ForeignKey(
        "jobs.Attempt",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        editable=False,
        help_text="Whose response the next attempt continues.",
    )
    next_input = models.JSONField(
        null=True,
        blank=True,
        editable=False,
        help_text="What the next attempt says instead of the prompt.",
    )
    lease_until = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="Set while a sweep has it in hand; over and still set: that died.",
    )
    lost_leases = models.PositiveSmallIntegerField(
        default=0, editable=False, help_text="In a row: its handling may kill workers."
    )
    failure_class = models.CharField(max_length=20, blank=True, editable=False)
    failure_code = models.CharField(max_length=100, blank=True, editable=False)
    failure_message = models.TextField(blank=True, editable=False)
    callback_url = models.CharField(
        max_length=2_000,
        blank=True,
        editable=False,
        help_text="Where its status is told; under a destination that takes it.",
    )
    approved_hash = models.CharField(max_length=64, blank=True, editable=False)
    legal_hold = models.BooleanField(
        default=False, editable=False, help_text="Its content is kept, however old."
    )
    erased_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When its content was deleted."
    )

    objects = JobQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        permissions = [
            ("submit_job", "Can submit jobs"),
            ("cancel_job", "Can cancel jobs"),
            ("retry_job", "Can retry jobs and have them checked now"),
            ("view_all_jobs", "Can see the jobs of all requesters"),
            ("view_unapproved", "Can see results that are not approved"),
            ("hold_job", "Can put jobs on legal hold"),
        ]
        indexes = [
            models.Index(
                fields=["wake_at"], name="job_due", condition=Q(wake_at__isnull=False)
            ),
            models.Index(
                fields=["finished_at"],
                name="job_to_erase",
                condition=Q(finished_at__isnull=False, erased_at__isnull=True),
            ),
            models.Index(
                fields=["thread", "status", "id"],
                name="job_in_thread",
                condition=Q(thread__isnull=False),
            ),
            models.Index(F("created_at").desc(), F("id").desc(), name="job_newest"),
            models.Index(
                "status", F("created_at").desc(), F("id").desc(), name="job_by_status"
            ),
            models.Index(
                "requester", F("created_at").desc(), F("id").desc(), name="job_own"
            ),
        ]
        constraints = [
            models.CheckConstraint(
                name="job_status_known", condition=Q(status__in=Status.values)
            ),
            models.CheckConstraint(
                name="job_final_iff_finished_iff_never_woken",
                condition=Q(
                    status__in=FINAL, finished_at__isnull=False, wake_at__isnull=True
                )
                | Q(status__in=OPEN, finished_at__isnull=True, wake_at__isnull=False),
            ),
            models.CheckConstraint(
                name="job_approved_has_hash",
                condition=~Q(status__in=[Status.APPROVED, Status.DELIVERED])
                | ~Q(approved_hash=""),
            ),
        ]

    def __str__(self) -> str:
        return self.title or f"{self.version} {str(self.public_id)[:8]}"

    @property
    def history(self) -> Any:
        return self.events

    @property
    def as_shown(self) -> str:
        """What a form carries, to tell whether the job moved on meanwhile."""
        return f"{self.status} {self.revision}"

    def may_become(self, status: str) -> bool:
        return self.erased_at is None and super().may_become(status)

    def why_not(self, status: str) -> str:
        if self.erased_at is None:
            return super().why_not(status)
        return f"The content of {self} was deleted {self.erased_at:%d %b %Y}"

    @property
    def latest_result(self) -> "Result | None":
        """The newest version of its answer, whoever wrote it."""
        return self.results.order_by("-number").first()

    @property
    def open_attempt(self) -> "Attempt | None":
        return self.attempts.filter(ended_at=None).first()
