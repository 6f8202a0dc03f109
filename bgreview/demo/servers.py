"""The demo's processes: each is started, and waited for until it answers."""

import sys
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial

import httpx2
from django.utils import timezone

from bgreview.demo.place import HOST, Place, Problem
from bgreview.processes import Processes, web_command
from jobs.models import Sweep
from jobs.webhooks import PATH

PATIENCE = 60.0  # seconds; a small machine with much to do needs many of them
TAIL = 15  # lines of a log


class NotUp(Problem):
    """A process ended, or never answered; says what its log says."""


class Servers:
    """Sandbox and receiver first; web and worker once there is a database."""

    def __init__(self, house: Processes, place: Place, urls: dict[str, str]) -> None:
        self._house, self._place, self._urls = house, place, urls
        web = web_command(HOST, self._port("web"))
        self._ours: dict[str, Callable[[], object]] = {
            "web": lambda: house.start("web", web),
            # The settings are the demo's own: there is nothing to check in them.
            "worker": lambda: house.manage("worker", "worker", "--skip-checks"),
        }

    def start_outside(self, scale: float, seed: int | None) -> None:
        """Those that stand for the world: the provider, and whom we deliver to."""
        port, told = self._port("sandbox"), self._urls["web"] + PATH
        how = [f"--port={port}", f"--scale={scale}", f"--webhook-url={told}"]
        how += [] if seed is None else [f"--seed={seed}"]
        self._house.manage("sandbox", "sandbox", *how)
        receiver = [sys.executable, "-m", "bgreview.demo.receiver"]
        where = [str(self._port("receiver")), str(self._place.ledger)]
        self._house.start("receiver", receiver + where)

    def start_inside(self) -> None:
        """Our own."""
        for start in self._ours.values():
            start()

    def wait(self) -> None:
        """Until all are at work."""
        began = timezone.now()
        with httpx2.Client(timeout=5, trust_env=False) as http:
            for name in ("sandbox", "receiver", "web"):
                url = f"{self._urls[name]}/healthz"
                self._wait_for(name, partial(_is_up, http, url))
        self._wait_for("worker", partial(_beats_since, began))

    def are_at_work(self, since: datetime) -> bool:
        """Whether the web server answers, and both clusters showed life since then."""
        with httpx2.Client(timeout=5, trust_env=False) as http:
            answers = _is_up(http, f"{self._urls['web']}/healthz")
        return answers and _beats_since(since)

    def pid(self, name: str) -> int:
        return self._house.pid(name)

    def kill_and_restart(self, name: str) -> int:
        """SIGKILL to all of it, and another in its place; how many were killed."""
        killed = self._house.kill(name)
        self._ours[name]()
        return killed

    def check(self) -> None:
        """Raise NotUp if one has ended."""
        for name in self._house.ended():
            raise NotUp(self._told(name, "has ended"))

    def _wait_for(self, name: str, is_up: Callable[[], bool]) -> None:
        until = time.monotonic() + PATIENCE
        while not is_up():
            if time.monotonic() > until:
                raise NotUp(self._told(name, f"gave no answer for {PATIENCE:g} s"))
            self.check()
            time.sleep(0.1)

    def _told(self, name: str, what: str) -> str:
        log = self._place.logs / f"{name}.log"
        lines = log.read_text(errors="replace").splitlines()[-TAIL:]
        said = "\n".join(f"    {line}" for line in lines) or "    (nothing)"
        return f"The {name} {what}. Its log, {log}, ends with:\n{said}"

    def _port(self, name: str) -> int:
        return int(self._urls[name].rpartition(":")[2])


def _is_up(http: httpx2.Client, url: str) -> bool:
    try:
        return http.get(url).is_success
    except httpx2.TransportError:
        return False


def _beats_since(began: datetime) -> bool:
    """Whether both clusters gave a sign of life."""
    beats = [Sweep.objects.last_beat(lane) for lane in (Sweep.PROVIDER, Sweep.OUTBOX)]
    return all(beat is not None and beat >= began for beat in beats)
