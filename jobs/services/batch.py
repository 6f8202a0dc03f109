"""What a handful of answers changes, gathered and then written together.

The jobs are locked by the caller. Set-wide statements make this several times faster
than a job at a time, and one transaction holds all of it.
"""

from dataclasses import dataclass, field
from datetime import datetime

from jobs.kit.rows import write_rows
from jobs.lifecycle import Line, Move, add_events, move_all
from jobs.models import (
    Attempt,
    Citation,
    EvidenceTrace,
    Job,
    RawResponse,
    Result,
    ToolCall,
)

ATTEMPT_FIELDS = [
    "tries",
    "response_id",
    "provider_status",
    "accepted_at",
    "ended_at",
    "settled_at",
    "wake_at",
    "missing_since",
    "delete_at",
    "failure_class",
    "failure_code",
    "failure_message",
    "follow_up",
    "input_tokens",
    "output_tokens",
    "total_tokens",
]


@dataclass
class Batch:
    """Rows to write; `waves` are moves that follow one another."""

    now: datetime
    attempts: list[Attempt] = field(default_factory=list)
    rescheduled: list[Job] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    citations: list[Citation] = field(default_factory=list)
    traces: list[EvidenceTrace] = field(default_factory=list)
    raws: list[RawResponse] = field(default_factory=list)
    tool_calls: list[ToolCall] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    waves: tuple[list[Move], ...] = field(default_factory=lambda: ([], [], []))

    def write(self) -> None:
        """All of it, in the order in which the rows need each other."""
        write_rows(Attempt.objects.all(), self.attempts, ATTEMPT_FIELDS)
        again = ["wake_at", "steps", "revision"]
        write_rows(Job.objects.all(), self.rescheduled, again)
        Result.objects.bulk_create(self.results)
        Citation.objects.bulk_create(self.citations)
        EvidenceTrace.objects.bulk_create(self.traces)
        RawResponse.objects.bulk_create(self.raws)
        ToolCall.objects.bulk_create(self.tool_calls)
        add_events(self.lines, now=self.now)
        for moves in filter(None, self.waves):
            move_all(moves)
