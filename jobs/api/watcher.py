"""Who waits for which job: one task per process asks for all of them at once."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import UUID

import structlog
from django.db import Error, close_old_connections

from jobs.models import Job

EVERY = 0.5  # seconds between two looks
log = structlog.get_logger(__name__)


@dataclass(eq=False)
class Wait:
    """Somebody who knows the job as it was in this revision."""

    job: UUID
    revision: int
    is_over: asyncio.Event = field(default_factory=asyncio.Event)
    has_changed: bool = False


class Watcher:
    """Looks only while somebody waits, and holds no connection between two looks."""

    def __init__(self) -> None:
        self.is_closed = False
        self._waits: set[Wait] = set()
        self._looking: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._waits)

    async def until_changed(self, job: UUID, revision: int, seconds: float) -> bool:
        """Whether its revision is another; False when the time is up, or we close."""
        if self.is_closed:
            return False
        wait = Wait(job, revision)
        self._waits.add(wait)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await wait.is_over.wait()
        finally:
            self._waits.discard(wait)
        return wait.has_changed

    def close(self) -> None:
        """Nobody waits any longer."""
        self.is_closed = True
        for wait in self._waits:
            wait.is_over.set()

    async def _look(self) -> None:
        while self._waits:
            await asyncio.sleep(EVERY)
            jobs = {wait.job for wait in self._waits}
            try:
                found = await asyncio.to_thread(revisions, jobs)
            except Error as error:  # a cut connection, too, which is no DatabaseError
                log.warning("nobody can be told of news", error=str(error))
                continue
            for wait in self._waits:
                if wait.job in jobs and found.get(wait.job) != wait.revision:
                    wait.has_changed = True
                    wait.is_over.set()


def revisions(jobs: Iterable[UUID]) -> dict[UUID, int]:
    """As they are now; the connection is given back."""
    try:
        return Job.objects.all().revisions(jobs)
    finally:
        close_old_connections()
