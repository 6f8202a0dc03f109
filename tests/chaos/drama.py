"""One run: the house opens, jobs come in, things break, and all is accounted for."""

import time
from dataclasses import dataclass, field
from random import Random
from typing import Any

from django.core.management import call_command
from django.db import DatabaseError, connection
from rich.console import Console

from jobs.models import Attempt, Job, JobEvent, Sweep
from reviews.models import Delivery
from tests.auditor import audit, provider_ledger, receiver_ledger
from tests.chaos.house import House
from tests.chaos.people import People, wrong_ends
from tests.chaos.troubles import DATABASE, KILLS, MISCHIEF, POINTS, STORMS, Trouble

QUIET = 150.0  # seconds for all to come to its end, once nothing breaks any more
OPENING = 60.0  # seconds until both workers are at work
RESUMES = 60.0  # seconds in which work must go on after a fault's end


@dataclass
class Drama:
    """`jobs` submitted over `seconds`; the same `seed` plays the same troubles."""

    house: House
    jobs: int
    seconds: float
    seed: int
    console: Console
    kills: int = 0
    resumed: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def run(self) -> str:
        """Play it; gives the last line. `wrong` says what was not as promised."""
        self._open()
        self._break_things()
        self._come_to_rest()
        return self._account()

    # ---- act one: the house opens ------------------------------------------------

    def _open(self) -> None:
        call_command("migrate", interactive=False, verbosity=0)
        call_command("collectstatic", interactive=False, verbosity=0)
        urls = self.house.urls
        self.people = People(urls["web"], urls["receiver"])
        self.house.open()
        self._wait(OPENING, self._is_up, "the house did not open")
        for fault, rate in MISCHIEF.items():
            self.house.order(fault, rate=rate)
        self._say(f"{self.jobs} jobs in {self.seconds:g} s, seed {self.seed}")

    def _is_up(self) -> bool:
        lanes = (Sweep.PROVIDER, Sweep.OUTBOX)
        return (
            all(self.house.sweeping(lane) for lane in lanes) and self.people.web_is_up()
        )

    # ---- act two: things break ---------------------------------------------------

    def _break_things(self) -> None:
        dice, began = Random(self.seed), time.monotonic()
        due, submitted = self._plan(dice), 0
        while (now := time.monotonic() - began) < self.seconds or submitted < self.jobs:
            wanted = min(self.jobs, int(self.jobs * now / self.seconds) + 1)
            while submitted < wanted and self._safely(self.people.submit, submitted):
                submitted += 1
            self._safely(self.people.act)
            if due and due[0][0] <= now:
                self._strike(due.pop(0)[1], dice)
            self.house.restart_the_dead()
            time.sleep(0.2)
        for _, trouble in due:  # each of them comes once, if late
            self._strike(trouble, dice)
            self._safely(self.people.act)

    def _plan(self, dice: Random) -> list[tuple[float, Trouble]]:
        """Each point and kill once, one crash of the database, and as many storms."""
        each = [*KILLS, *POINTS, *dice.sample(STORMS, min(len(STORMS), self._storms))]
        dice.shuffle(each)
        each.insert(len(each) // 2, DATABASE)
        rounds = max(1, round(self.seconds / 120))
        each += [t for _ in range(rounds - 1) for t in dice.sample(KILLS + POINTS, 8)]
        gap = self.seconds / (len(each) + 1)
        return [(gap * (place + 1), trouble) for place, trouble in enumerate(each)]

    @property
    def _storms(self) -> int:
        return max(6, round(self.seconds / 15))

    def _strike(self, trouble: Trouble, dice: Random) -> None:
        began = time.monotonic()
        killed = self._safely(trouble.strike, self.house, dice) or 0
        self.kills += killed
        lasted = time.monotonic() - began
        resumed = self._until_work_goes_on()
        self._say(
            f"{trouble.name}: {killed} killed, {lasted:.1f} s, "
            f"work went on after {resumed:.1f} s"
        )

    def _until_work_goes_on(self) -> float:
        """Seconds until the history grows again; nothing to do counts as going on."""
        began, before = time.monotonic(), None
        while time.monotonic() - began < RESUMES:
            self.house.restart_the_dead()
            latest = self._safely(_latest_event)
            before = latest if before is None else before
            if latest is not None and (latest != before or self._safely(_is_idle)):
                break
            self._safely(self.people.act_now)
            time.sleep(0.1)
        else:
            self.wrong.append(f"no work for {RESUMES:g} s after a trouble")
        self.resumed.append(time.monotonic() - began)
        return self.resumed[-1]

    # ---- act three: all is quiet, and accounted for ------------------------------

    def _come_to_rest(self) -> None:
        self.house.clear_faults()
        self.house.hold_receiver(0)
        until = time.monotonic() + QUIET
        while left := list(wrong_ends()) or _still_owed():
            if time.monotonic() > until:
                self.wrong += left[:20]
                break
            self._safely(self.people.hurry)
            self._safely(self.people.act)
            self.house.restart_the_dead()
            time.sleep(0.5)

    def _account(self) -> str:
        """What the auditor says, once it has nothing left to say; or after a while."""
        until = time.monotonic() + QUIET / 2
        while True:
            responses = provider_ledger(self.house.urls["sandbox"])
            report = audit(responses, receiver_ledger(self.house.ledger))
            if report.is_clean or time.monotonic() > until:
                break
            self._safely(self.people.hurry)
            time.sleep(1)
        self.wrong += report.reasons
        self.wrong += self.people.forgotten()
        self._say(
            f"{report.jobs} jobs, {report.responses} responses, "
            f"{report.received} deliveries, {report.repeats} repeats on the wire, "
            f"{len(report.waiting)} for a person"
        )
        within = max(self.resumed, default=0.0)
        return f"{report.last_line}, kills {self.kills}, resumed within {within:.0f} s"

    # ---- all along ---------------------------------------------------------------

    def _safely(self, act: Any, *arguments: Any) -> Any:
        """Do it; None while the database or the web is away."""
        try:
            return act(*arguments)
        except DatabaseError:
            connection.close()
            return None

    def _wait(self, seconds: float, holds: Any, otherwise: str) -> None:
        until = time.monotonic() + seconds
        while not self._safely(holds):
            if time.monotonic() > until:
                raise SystemExit(
                    f"{otherwise}; its logs: {self.house.scratch / 'logs'}"
                )
            time.sleep(0.2)

    def _say(self, line: str) -> None:
        self.console.print(line)


def _latest_event() -> int:
    newest = JobEvent.objects.order_by("-pk").values_list("pk", flat=True).first()
    return newest or 0


def _is_idle() -> bool:
    """Nothing that the house could go on with."""
    return not Job.objects.filter(status__in=["queued", "running"]).exists()


def _still_owed() -> list[str]:
    owed = Delivery.objects.filter(status__in=["pending", "sending"]).count()
    unsettled = Attempt.objects.exclude(response_id=None).filter(settled_at=None)
    found = [f"{owed} deliveries are on their way"] * bool(owed)
    return found + [f"{unsettled.count()} unsettled"] * unsettled.exists()
