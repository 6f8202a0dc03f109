"""The demo's processes: each is started, and waited for until it answers."""

import sys
import time
from collections.abc import Callable
from typing import Any

import httpx2

from bgreview.demo.place import HOST, Place
from bgreview.processes import Processes, web_command

PATIENCE = 60.0  # seconds; a small machine with much to do needs many of them
TAIL = 15  # lines of a log


class NotUp(Exception):
    """A process ended, or never answered; says what its log says."""


class Servers:
    """Sandbox and receiver first; web and worker once there is a database."""

    def __init__(self, house: Processes, place: Place, urls: dict[str, str]) -> None:
        self._house, self._place, self._urls = house, place, urls

    def start_outside(self, scale: float) -> None:
        """Those that stand for the world: the provider, and whom we deliver to."""
        port = self._port("sandbox")
        self._house.manage("sandbox", "sandbox", f"--port={port}", f"--scale={scale}")
        receiver = [sys.executable, "-m", "bgreview.demo.receiver"]
        where = [str(self._port("receiver")), str(self._place.ledger)]
        self._house.start("receiver", receiver + where)

    def start_inside(self) -> None:
        """Our own."""
        self._house.start("web", web_command(HOST, self._port("web")))
        self._house.manage("worker", "worker")

    def wait(self) -> None:
        """Until all are at work."""
        began = time.monotonic()
        for name in ("sandbox", "receiver", "web"):
            self._wait_for(name, lambda url=f"{self._urls[name]}/healthz": _is_up(url))
        self._wait_for("worker", lambda: self._beats_since(began))

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

    def _beats_since(self, began: float) -> bool:
        """Whether both clusters are at work: the web server knows their beats."""
        status = _get(f"{self._urls['web']}/statusz") or {}
        ages = status.get("seconds_since_beat", {}).values()
        since = time.monotonic() - began
        return bool(ages) and all(age is not None and age < since for age in ages)

    def _told(self, name: str, what: str) -> str:
        log = self._place.logs / f"{name}.log"
        lines = log.read_text(errors="replace").splitlines()[-TAIL:]
        said = "\n".join(f"    {line}" for line in lines) or "    (nothing)"
        return f"The {name} {what}. Its log, {log}, ends with:\n{said}"

    def _port(self, name: str) -> int:
        return int(self._urls[name].rpartition(":")[2])


def _is_up(url: str) -> bool:
    try:
        return httpx2.get(url, timeout=5, trust_env=False).is_success
    except httpx2.TransportError:
        return False


def _get(url: str) -> Any:
    try:
        return httpx2.get(url, timeout=5, trust_env=False).json()
    except (httpx2.TransportError, ValueError):
        return None
