"""The shop's own program: it submits through the REST API, as any integration would."""

from collections.abc import Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from bgreview.client import Client, Conflict
from bgreview.demo.scenes import Scene

Job = dict[str, Any]  # as the API shows it
NAME = "demo"  # of the metadata that tells which scene a job is


class Shop:
    """`with Shop(url, token) as shop`: submits, asks, cancels; raises ClientErrors.

    It tries nothing again by itself: whoever plays has a next turn.
    """

    def __init__(self, url: str, token: str) -> None:
        self._api = Client(url, token, timeout=15, patience=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._api.close()

    def submit(self, scene: Scene) -> Job:
        known = {NAME: scene.key}
        title, given = scene.title, scene.input
        return self._api.submit(scene.type, given, title=title, metadata=known).raw

    def job(self, public_id: str) -> Job:
        return self._api.get(public_id).raw

    def jobs(self) -> Iterator[Job]:
        """Every job of the shop in brief, newest first, a page at a time."""
        return (job.raw for job in self._api.jobs())

    def cancel(self, public_id: str, note: str) -> None:
        with suppress(Conflict):  # it may have ended just now
            self._api.cancel(public_id, note=note)

    def events(self, public_id: str) -> list[dict[str, Any]]:
        return [event.raw for event in self._api.events(public_id)]

    def submitted(self) -> dict[str, Job]:
        """The newest job of each scene that was submitted before."""
        found: dict[str, Job] = {}
        for brief in self.jobs():
            job = self.job(brief["id"])
            found.setdefault(job["metadata"].get(NAME, ""), job)
        return found
