"""Chaos: troubles strike one after the other, and it is told when work went on."""

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from django.utils import timezone

from bgreview.demo.play import Play
from bgreview.demo.troubles import Stage, Trouble, plan
from jobs.kit.rights import SYSTEM
from jobs.models import Job, JobEvent
from jobs.models.job import ASKED_ABOUT

REST = 0.5  # seconds between two troubles
UNMET = 15.0  # seconds that a fault stays until a call meets it
PATIENCE = 30.0  # seconds for somebody to kill to be there, and for work to go on
SOON = timedelta(seconds=2)
T = TypeVar("T")
Story = Generator[bool, None, T]  # goes on at each turn, and gives something at its end


@dataclass
class Chaos:
    """`turn()` it often: it never waits. With each trouble another job comes in.

    `resumed`: seconds after which work went on; `stuck`: where it did not.
    """

    stage: Stage
    play: Play
    tell: Callable[[str], None]
    kills: int = 0
    faults: int = 0
    resumed: list[float] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._story = self._strike_all()

    def turn(self) -> bool:
        """Go on; False when all is over."""
        return next(self._story, False)

    def _strike_all(self) -> Iterator[bool]:
        for trouble in plan(self.stage.dice):
            yield from _wait(REST)
            self.play.bring_on()
            yield from self._strike(trouble)
        self.tell("Nothing breaks any more.")

    def _strike(self, trouble: Trouble) -> Iterator[bool]:
        if trouble.seconds:
            met = yield from self._break(trouble)
            hit = f"{met or 'nobody'} met it"
        else:
            killed = yield from self._kill(trouble)
            hit = f"{killed} killed"
        after = yield from self._until_work_goes_on(trouble)
        self.tell(f"{trouble.says}: {hit}, work went on after {after:.1f} s")

    def _kill(self, trouble: Trouble) -> Story[int]:
        """While a cluster is being replaced, there may be nobody for a moment."""
        until = time.monotonic() + PATIENCE
        while not (killed := trouble.strike(self.stage)):
            if time.monotonic() > until:
                self.stuck.append(f"{trouble.says}: nobody was there")
                break
            yield True
        self.kills += killed
        return killed

    def _break(self, trouble: Trouble) -> Story[int]:
        provider = self.stage.provider
        before, until = provider.played(), time.monotonic() + UNMET
        trouble.strike(self.stage)
        yield from _wait(trouble.seconds)
        while not (met := provider.played() - before) and time.monotonic() < until:
            yield True
        provider.clear()
        self.faults += met
        return met

    def _until_work_goes_on(self, trouble: Trouble) -> Story[float]:
        """Gives the seconds that it took."""
        over, began = timezone.now(), time.monotonic()
        asked = self._asked()
        while not self._goes_on(over, asked):
            if time.monotonic() > began + PATIENCE:
                self.stuck.append(f"{trouble.says}: no work for {PATIENCE:g} s")
                break
            yield True
        self.resumed.append(time.monotonic() - began)
        return self.resumed[-1]

    def _goes_on(self, over: datetime, asked: int) -> bool:
        """All are at work since then; and work is done, if any is due."""
        if not self.stage.servers.are_at_work(over):
            return False
        told = JobEvent.objects.filter(actor=SYSTEM, at__gte=over)
        return told.exists() or self._asked() > asked or not _is_work_due()

    def _asked(self) -> int:
        """How often the provider told of a response, as it says itself."""
        return sum(line["retrieved"] for line in self.stage.provider.ledger())


def _is_work_due() -> bool:
    soon = timezone.now() + SOON
    return Job.objects.filter(status__in=ASKED_ABOUT, wake_at__lte=soon).exists()


def _wait(seconds: float) -> Iterator[bool]:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        yield True
