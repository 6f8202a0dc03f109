"""What an answer was based on: steps, sources, and the tools it asked for."""

from collections.abc import Iterable
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef

from jobs.models.attempt import Attempt
from jobs.models.job import Status
from jobs.models.result import Result


class TraceKind(models.TextChoices):
    """What sort of step the provider reported."""

    REASONING = "reasoning", "reasoning summary"
    WEB_SEARCH = "web_search", "web search"
    FILE_SEARCH = "file_search", "file search"
    CODE = "code", "code run"
    TOOL_CALL = "tool_call", "tool call"
    MESSAGE = "message", "message"
    OTHER = "other", "other step"


class EvidenceTrace(models.Model):
    """One step, in order.

    `sources` are dicts with title and url, or a file; `snippet`: what was read there.
    """

    Kind = TraceKind

    attempt = models.ForeignKey(Attempt, models.PROTECT, related_name="traces")
    position = models.PositiveIntegerField()
    kind = models.CharField(max_length=20, choices=TraceKind)
    label = models.CharField(max_length=300, blank=True)
    text = models.TextField(blank=True)
    sources = models.JSONField(default=list, blank=True)

    class Meta:
        ordering = ["attempt_id", "position"]
        constraints = [
            models.UniqueConstraint(
                fields=["attempt", "position"], name="one_trace_per_position"
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.label}"


class Citation(models.Model):
    """A source that the passage [start, end) of a result leans on, in code points."""

    result = models.ForeignKey(Result, models.PROTECT, related_name="citations")
    position = models.PositiveIntegerField()
    start = models.PositiveIntegerField()
    end = models.PositiveIntegerField()
    quote = models.TextField(blank=True, help_text="The passage that is cited for.")
    title = models.CharField(max_length=500, blank=True)
    url = models.TextField(blank=True)
    file = models.CharField(max_length=300, blank=True)
    moved_from = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="moves",
        help_text="The one it was before the result was edited.",
    )
    is_detached = models.BooleanField(
        default=False, help_text="Its passage does not stand in the edited text."
    )

    class Meta:
        ordering = ["result_id", "position"]
        constraints = [
            models.UniqueConstraint(
                fields=["result", "position"], name="one_citation_per_position"
            )
        ]

    def __str__(self) -> str:
        return self.title or self.url or self.file


class ToolCallQuerySet(models.QuerySet["ToolCall"]):
    """What is asked of calls, with business names."""

    def open(self) -> Self:
        """Those that a job waits for: of its last run, and while it does."""
        of_job = Attempt.objects.filter(job=OuterRef("attempt__job"))
        later = of_job.filter(number__gt=OuterRef("attempt__number"))
        waits = {"attempt__job__status": Status.REQUIRES_ACTION}
        return self.filter(~Exists(later), answered_at=None, **waits)

    def to_look_up(self, names: Iterable[str]) -> Self:
        """Those that answer themselves, by handlers of these names."""
        return self.open().filter(
            kind="function", name__in=names, handler_failed_at=None
        )


class ToolCall(models.Model):
    """A call or approval request of the model that waits for an answer."""

    attempt = models.ForeignKey(Attempt, models.PROTECT, related_name="tool_calls")
    call_id = models.CharField(max_length=200)
    kind = models.CharField(
        max_length=20,
        choices=[("function", "function call"), ("mcp_approval", "MCP approval")],
    )
    name = models.CharField(max_length=200)
    arguments = models.TextField(blank=True)
    call_hash = models.CharField(
        max_length=64, help_text="SHA-256 of name and arguments: what was decided on."
    )
    answer = models.TextField(blank=True)
    allowed = models.BooleanField(
        null=True, help_text="Of an approval request: what was said to it."
    )
    answered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True
    )
    answered_at = models.DateTimeField(null=True, blank=True)
    handler_failed_at = models.DateTimeField(
        null=True, blank=True, help_text="When its handler was given up: people answer."
    )

    objects = ToolCallQuerySet.as_manager()

    class Meta:
        ordering = ["attempt_id", "pk"]
        permissions = [("answer_toolcall", "Can answer calls of the model")]
        constraints = [
            models.UniqueConstraint(
                fields=["attempt", "call_id"], name="one_tool_call_per_id"
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.call_id})"

    @property
    def is_open(self) -> bool:
        return self.answered_at is None
