"""The play: each scene is submitted and followed, and people do what they do in it."""

import time
from collections.abc import Callable
from contextlib import suppress

from bgreview.client import Unreachable
from bgreview.demo.scenes import CANCELLED, LEFT_FOR_YOU, Scene
from bgreview.demo.shop import Job, Shop

# Nothing moves these but a person.
ENDED = {"delivered", "rejected", "failed", "cancelled", "expired", "abandoned"}
AT_REST = {*ENDED, "completed", "awaiting_review"}
DECIDED = {  # by our reviewers, so that there are finished ones to look at
    "delivered_by_webhook",
    "delivered_by_mail",
    "failed_once_then_delivered",
    "refused_by_model_then_rejected",
    "rejected",
}
WHY_CANCELLED = "Settled in a meeting: we use the backup API."


class Play:
    """The jobs of all scenes as the API last showed them, and who acts on which.

    `scenes` are on stage: all, or some `at_first` and the others one by one.
    """

    def __init__(
        self,
        shop: Shop,
        scenes: list[Scene],
        decide: Callable[[str, str], None],
        *,
        once: bool,
        at_first: int | None = None,
    ) -> None:
        self.shop, self._decide = shop, decide
        self.scenes, self.to_come = scenes[:at_first], scenes[len(scenes[:at_first]) :]
        self._decided = DECIDED | ({LEFT_FOR_YOU} if once else set())
        self._patience = 0.0 if once else 3.0  # seconds in which people can see it
        self._since: dict[tuple[str, str], float] = {}
        self.jobs: dict[str, Job] = {}

    def begin(self) -> None:
        """Submit what is not there yet; what nobody reviewed in time, once more."""
        there = self.shop.submitted()
        for scene in self.scenes:
            self._enter(scene, there.get(scene.key))
        ended = {key for key, job in self.jobs.items() if job["status"] in ENDED}
        scenes = [*self.scenes, *self.to_come]
        self._to_cancel = {s.key for s in scenes if s.fate == CANCELLED} - ended

    def bring_on(self) -> None:
        """Submit the next scene, if one is left; unanswered, it stays the next."""
        for scene in self.to_come[:1]:
            with suppress(Unreachable):
                self._enter(scene, self.shop.submitted().get(scene.key))
                self.scenes.append(self.to_come.pop(0))

    def _enter(self, scene: Scene, job: Job | None) -> None:
        if job is None or job["status"] == "abandoned":
            job = self.shop.submit(scene)
        self.jobs[scene.key] = job

    def turn(self) -> None:
        """Look where all are, and act on those whose time has come."""
        with suppress(Unreachable):  # the web server is busy: next time
            self._look()
            for scene in self.scenes:
                self._act(scene, self.jobs[scene.key])

    @property
    def moving(self) -> list[Scene]:
        """Those that will go on without the visitor."""
        return [s for s in self.scenes if self._moves(s)]

    @property
    def waiting(self) -> list[Scene]:
        """Those that wait for the visitor."""
        reviewed = [s for s in self.scenes if self._status(s) == "awaiting_review"]
        return [s for s in reviewed if s.fate not in self._decided]

    def _look(self) -> None:
        """Details are asked for where there is news, or a run whose progress moves."""
        keys = {job["id"]: key for key, job in self.jobs.items()}
        for brief in self.shop.jobs():
            key = keys.get(brief["id"])
            if key and (
                brief["status"] not in AT_REST
                or brief["revision"] != self.jobs[key]["revision"]
            ):
                self.jobs[key] = self.shop.job(brief["id"])

    def _act(self, scene: Scene, job: Job) -> None:
        """What a person does about it now, if anything."""
        status = job["status"]
        if status == CANCELLED:
            self._to_cancel.discard(scene.key)  # whoever retries it may keep it
        cancelled = status == "running" and scene.key in self._to_cancel
        decided = status == "awaiting_review" and scene.fate in self._decided
        if (cancelled or decided) and self._long_enough(scene, status):
            if cancelled:
                self.shop.cancel(job["id"], WHY_CANCELLED)
            else:
                self._decide(scene.key, job["id"])

    def _long_enough(self, scene: Scene, status: str) -> bool:
        now = time.monotonic()
        return now - self._since.setdefault((scene.key, status), now) >= self._patience

    def _moves(self, scene: Scene) -> bool:
        status = self._status(scene)
        if status == "awaiting_review":
            return scene.fate in self._decided
        return status not in AT_REST

    def _status(self, scene: Scene) -> str:
        return str(self.jobs[scene.key]["status"])
