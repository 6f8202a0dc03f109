"""One run: the house opens, jobs come in, things break, and all is accounted for."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any

import httpx2
from django.core.management import call_command
from django.db import DatabaseError, connection
from rich.console import Console

from bgreview.audit import Report, audit
from bgreview.demo.provider import Provider
from bgreview.demo.receiver import read_ledger
from jobs.models import Attempt, Job, JobEvent, Sweep
from reviews.models import Delivery
from tests.chaos.house import House
from tests.chaos.people import People, wrong_ends
from tests.chaos.threads import close_all, not_closed, wrong_in
from tests.chaos.troubles import DATABASE, KILLS, MISCHIEF, POINTS, STORMS, Trouble

OPENING = 60.0  # seconds until both workers are at work
AT_A_TIME = 30  # jobs under way: so there is always somebody to kill at work
REST = 1.0  # second between two troubles, for work to get under way again
AGAIN = 4  # times that a point is tried to be reached
RESUMES = 60.0  # seconds in which work must go on after a fault's end
QUIET = 150.0  # seconds for all to come to its end, once nothing breaks any more


@dataclass
class Drama:
    """At least `jobs` jobs and `storms` storms; one `seed` plays the same troubles."""

    house: House
    jobs: int
    storms: int
    seed: int
    console: Console
    kills: int = 0
    resumed: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def run(self) -> str:
        """Play it; gives the last line. `wrong` says what was not as promised."""
        self._open()
        with self._people_at_work():
            self._break_things()
            self._come_to_rest()
            self._close_the_threads()
        return self._account()

    # ---- act one: the house opens ------------------------------------------------

    def _open(self) -> None:
        call_command("migrate", interactive=False, verbosity=0)
        call_command("collectstatic", interactive=False, verbosity=0)
        urls = self.house.urls
        self.people = People(urls["web"], urls["receiver"])
        self.house.open()
        if not self._until(OPENING, self._is_up):
            raise SystemExit(f"not open in time; its logs: {self.house.scratch}/logs")
        for fault, rate in MISCHIEF.items():
            self.house.order(fault, rate=rate)
        self._say(f"{self.jobs} jobs, seed {self.seed}")

    def _is_up(self) -> bool:
        lanes = (Sweep.PROVIDER, Sweep.OUTBOX)
        at_work = all(self.house.sweeping(lane) for lane in lanes)
        return at_work and self.people.web_is_up()

    @contextmanager
    def _people_at_work(self) -> Iterator[None]:
        """In a thread, so that troubles come in the middle of what they do."""
        self._enough, over = threading.Event(), threading.Event()
        thread = threading.Thread(target=self._act_until, args=[over])
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _act_until(self, over: threading.Event) -> None:
        numbers = count()
        number = next(numbers)
        while not over.wait(0.1):
            self.house.restart_the_dead()
            short = (_safely(_under_way) or AT_A_TIME) < AT_A_TIME
            if (short and not self._enough.is_set()) or number < self.jobs:
                number = (
                    next(numbers) if _safely(self.people.submit, number) else number
                )
            _safely(self.people.act)
        connection.close()

    # ---- act two: things break ---------------------------------------------------

    def _break_things(self) -> None:
        dice = Random(self.seed)
        plan = self._plan(dice)
        for trouble in plan:
            time.sleep(REST)
            began = time.monotonic()
            killed = _safely(trouble.strike, self.house, dice) or 0
            self.kills += killed
            if trouble in POINTS and not killed:
                self._once_more(trouble, plan)
            lasted, resumed = time.monotonic() - began, self._until_work_goes_on()
            self._say(
                f"{trouble.name}: {killed} killed, {lasted:.1f} s; "
                f"work went on after {resumed:.1f} s"
            )
        self._enough.set()

    def _once_more(self, point: Trouble, plan: list[Trouble]) -> None:
        """Nobody came to this point: later, and in the end it must be reached."""
        if plan.count(point) < AGAIN:
            plan.append(point)
        else:
            self.wrong.append(f"{point.name}: nobody came to that point")

    def _plan(self, dice: Random) -> list[Trouble]:
        """Every point and every kill, as many storms, and one crash of the database."""
        rounds = max(1, self.storms // len(STORMS))
        storms = dice.sample(STORMS * rounds, min(self.storms, len(STORMS) * rounds))
        plan = [*KILLS * rounds, *POINTS * rounds, *storms]
        dice.shuffle(plan)
        plan.insert(len(plan) // 2, DATABASE)
        return plan

    def _until_work_goes_on(self) -> float:
        """Seconds until the history grows again; nothing to do counts as going on."""
        began, before = time.monotonic(), _safely(_latest_event)

        def goes_on() -> bool:
            nonlocal before
            latest = _latest_event()
            before = latest if before is None else before
            self.people.look_now()
            return latest != before or not _under_way()

        if not self._until(RESUMES, goes_on):
            self.wrong.append(f"no work for {RESUMES:g} s after a trouble")
        self.resumed.append(time.monotonic() - began)
        return self.resumed[-1]

    # ---- act three: all is quiet, and accounted for ------------------------------

    def _come_to_rest(self) -> None:
        self.house.clear_faults()
        self._say("nothing breaks any more")

        def at_rest() -> bool:
            self.people.look_now(at=("queued", "running"))
            return not next(wrong_ends(), None) and not any(_still_owed())

        if not self._until(QUIET, at_rest):
            self.wrong += [*wrong_ends(), *_still_owed()]

    def _close_the_threads(self) -> None:
        close_all(by=self.people.shop)
        if not self._until(QUIET, lambda: not any(not_closed())):
            self.wrong += not_closed()
        self.wrong += wrong_in(self.house.conversations())

    def _account(self) -> str:
        """What the auditor says, once he has nothing left to say; or after a while."""
        reports: list[Report] = []

        def clean() -> bool:
            responses = Provider(self.house.urls["sandbox"]).ledger()
            reports.append(audit(responses, read_ledger(self.house.ledger)))
            return reports[-1].is_clean

        self._until(QUIET / 2, clean)
        report = reports[-1]
        self.wrong += [*report.reasons, *self.people.forgotten()]
        self.wrong += self.house.strays()
        self._say(
            f"{report.jobs} jobs, {report.responses} responses, "
            f"{report.received} deliveries, {report.repeats} repeats on the wire"
        )
        within = max(self.resumed, default=0.0)
        return f"{report.last_line}, kills {self.kills}, resumed within {within:.0f} s"

    # ---- all along ---------------------------------------------------------------

    def _until(self, seconds: float, holds: Callable[[], bool]) -> bool:
        until = time.monotonic() + seconds
        while not _safely(holds):
            if time.monotonic() > until:
                return False
            time.sleep(0.1)
        return True

    def _say(self, line: str) -> None:
        self.console.print(line)


def _safely(act: Callable[..., Any], *arguments: Any) -> Any:
    """Do it; None while the database or somebody outside is away."""
    try:
        return act(*arguments)
    except (DatabaseError, httpx2.TransportError):
        connection.close()
        return None


def _latest_event() -> int:
    newest = JobEvent.objects.order_by("-pk").values_list("pk", flat=True).first()
    return newest or 0


def _under_way() -> int:
    """How many jobs the house could go on with."""
    return Job.objects.filter(status__in=["queued", "running"]).count()


def _still_owed() -> Iterator[str]:
    owed = Delivery.objects.filter(status__in=["pending", "sending"]).count()
    if owed:
        yield f"{owed} deliveries are still on their way"
    unsettled = Attempt.objects.exclude(response_id=None).filter(settled_at=None)
    if found := unsettled.count():
        yield f"{found} attempts are not settled"
