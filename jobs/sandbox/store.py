"""The responses and their lives, in memory, by the clock."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import orjson

from .endings import Outcome
from .errors import Refused, not_found
from .events import Delivery
from .items import Item, new_id
from .scenarios import Scenario

Clock = Callable[[], float]
EPOCH = time.time() - time.monotonic()

# Seconds at scale 1, between which the hash of the input chooses.
QUEUED = (1, 4)
WORKING = (4, 36)


def steady_clock() -> float:
    """Unix time that never steps back."""
    return EPOCH + time.monotonic()


@dataclass
class Run:
    """One response and what becomes of it."""

    request: dict[str, Any]
    scenario: str
    text: str
    outcome: Outcome
    created_at: float
    started_at: float
    ends_at: float
    id: str = field(default_factory=lambda: new_id("resp"))
    cancelled_at: float | None = None
    in_vain: bool = False  # it was cancelled, but goes on behind our back
    deleted: bool = False
    forgotten: bool = False
    shown_completed: bool = False
    retrieved: int = 0
    cancels: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    request_key: str | None = None
    deliveries: list[Delivery] = field(default_factory=list)

    @property
    def background(self) -> bool:
        return bool(self.request.get("background"))

    @property
    def findable(self) -> bool:
        stored = self.request.get("store") is not False
        return stored and not self.deleted and not self.forgotten

    def is_cancelled(self, now: float) -> bool:
        """Whether it counts as cancelled at this moment."""
        over = self.in_vain and now >= self.ends_at
        return self.cancelled_at is not None and not over

    def status(self, now: float) -> str:
        """Where it stands at this moment."""
        if self.is_cancelled(now):
            return "cancelled"
        if now >= self.ends_at:
            return self.outcome.status
        return "in_progress" if now >= self.started_at else "queued"

    def finished_at(self, now: float) -> float | None:
        """When it came to its end, if it has."""
        if self.is_cancelled(now):
            return self.cancelled_at
        return self.ends_at if now >= self.ends_at else None

    def is_over(self, now: float) -> bool:
        """Whether nothing more comes of it, not even behind our back."""
        return now >= self.ends_at or (self.is_cancelled(now) and not self.in_vain)

    def output(self, now: float) -> list[Item]:
        """The items that are there by now: the answer itself comes last."""
        if self.status(now) == self.outcome.status:
            return self.outcome.items
        until = now if self.cancelled_at is None else self.cancelled_at
        share = (until - self.started_at) / (self.ends_at - self.started_at)
        steps = [item for item in self.outcome.items if item["type"] != "message"]
        return steps[: max(0, int(share * (len(steps) + 1)))]

    def cancel(self, now: float) -> bool:
        """Stop it, unless it has ended; whether this did."""
        if not self.background:
            raise Refused("Cannot cancel a synchronous response.")
        self.cancels += 1
        if self.finished_at(now) is not None:
            return False
        self.cancelled_at = now
        return True


class Store:
    """Every response that was ever created here."""

    def __init__(
        self, scale: float, clock: Clock, recordings: Mapping[str, Scenario]
    ) -> None:
        self.scale = scale
        self.clock = clock
        self.recordings = recordings
        self.runs: dict[str, Run] = {}
        self.tries: Counter[tuple[str, str]] = Counter()

    def add(
        self,
        request: dict[str, Any],
        scenario: str,
        text: str,
        outcome: Outcome,
        pace: float,
    ) -> Run:
        """Begin a run; its times follow from its input."""
        now = self.clock()
        queued, working = durations(request["input"])
        if outcome.seconds is not None:
            queued, working = 0.0, outcome.seconds
        started = now + queued * self.scale * pace
        ends = started + working * self.scale * pace
        run = Run(request, scenario, text, outcome, now, started, ends)
        self.runs[run.id] = run
        return run

    def find(self, response_id: str) -> Run:
        """The run of this id, if it can be found."""
        run = self.runs.get(response_id)
        if run is None or not run.findable:
            raise not_found(response_id)
        return run

    def count_run(self, request: dict[str, Any], scenario: str) -> int:
        """How many the job has had under this scenario before; refused ones count."""
        before = self.tries[scenario, job_of(request)]
        self.tries[scenario, job_of(request)] += 1
        return before

    def ledger(self) -> Iterator[dict[str, Any]]:
        """What was asked of us and what became of it, oldest first."""
        now = self.clock()
        for run in self.runs.values():
            yield {
                "id": run.id,
                "metadata": run.request.get("metadata") or {},
                "model": run.request["model"],
                "scenario": run.scenario,
                "status": run.status(now),
                "created_at": run.created_at,
                "finished_at": run.finished_at(now),
                "request_key": run.request_key,
                "cancelled": run.cancelled_at is not None,
                "cancels": run.cancels,
                "deleted": run.deleted,
                "retrieved": run.retrieved,
                "conversation": run.request.get("conversation"),
                "faults": run.faults,
                "webhooks": [delivery.shown() for delivery in run.deliveries],
            }


def job_of(request: dict[str, Any]) -> str:
    """The caller's name for the job; its input where it has none."""
    job = (request.get("metadata") or {}).get("job")
    return str(job) if job else sha256(orjson.dumps(request["input"])).hexdigest()


def durations(given: Any) -> tuple[float, float]:
    """Seconds to wait and to work for this input."""
    digest = sha256(orjson.dumps(given)).digest()
    return between(QUEUED, digest[0]), between(WORKING, digest[1])


def between(bounds: tuple[float, float], byte: int) -> float:
    return bounds[0] + (bounds[1] - bounds[0]) * byte / 255
