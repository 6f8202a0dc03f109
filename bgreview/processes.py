"""The processes of one house, started together and ended together."""

import ctypes
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import count, islice
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import psutil

ROOT = Path(__file__).resolve().parent.parent
GRACE = 7.0  # seconds for all of them to end by themselves
LEAST = 0.5  # of these for each, however long the others took
DYING = 1.0  # seconds that a killed one may take
# Systems give higher ones to whoever connects, or asks for any: of these, one that is
# free stays so until we listen there.
UNGIVEN = range(20_000, 32_000)
TRIES = 100
turns = count(random.randrange(len(UNGIVEN)))  # noqa: S311 (no secret)
LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
PR_SET_PDEATHSIG = 1


class PortTaken(Exception):
    """Somebody else listens there."""


class Processes:
    """`with Processes(env) as house: house.start("web", [...])`; leaving ends all."""

    def __init__(self, env: Mapping[str, str], logs: Path | None = None) -> None:
        self._env, self._logs = dict(os.environ) | dict(env), logs
        self._running: dict[str, subprocess.Popen[Any]] = {}
        self._files: list[IO[Any]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.stop()
        except KeyboardInterrupt:
            self.stop()  # impatience must not leave anything behind
            raise

    def start(self, name: str, command: Sequence[str]) -> subprocess.Popen[Any]:
        """Start it in a session of its own: Ctrl-C reaches us alone, in order."""
        out = None
        if self._logs:
            out = (self._logs / f"{name}.log").open("a")
            self._files.append(out)
        process = subprocess.Popen(
            command,
            env=self._env,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out and subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=end_with_parent,
        )
        self._running[name] = process
        return process

    def manage(self, name: str, *arguments: str) -> subprocess.Popen[Any]:
        """Start one of our management commands."""
        return self.start(name, [sys.executable, "manage.py", *arguments])

    def ended(self) -> list[str]:
        """The names of those that are gone."""
        return [n for n, p in self._running.items() if p.poll() is not None]

    def pid(self, name: str) -> int:
        return self._running[name].pid

    def kill(self, name: str) -> int:
        """SIGKILL to it and to all that it started; how many those were."""
        process = self._running[name]
        family = _descendants(process)
        groups = {group for one in family if (group := _led_by(one))}
        for group in groups:  # with what was forked since we looked
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        process.kill()
        process.wait()
        kill_group(process.pid, family)
        return 1 + len(family)

    def stop(self) -> None:
        """End each with all that it started: the last first, as it needs the others."""
        until = time.monotonic() + GRACE
        for process in reversed(self._running.values()):
            family = _descendants(process)
            process.terminate()
            try:
                process.wait(max(LEAST, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                family |= _descendants(process)
                process.kill()
                process.wait()
            kill_group(process.pid, family)
        for file in self._files:
            file.close()
        self._running.clear()


def end_with_parent() -> None:
    """For `preexec_fn`: be told to end when whoever started us was killed (Linux)."""
    if LIBC:
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def free_port(wanted: int = 0, host: str = "127.0.0.1") -> int:
    """`wanted` if nobody listens there, else PortTaken; 0: one that is free."""
    if wanted:
        return _bound(wanted, host)
    for turn in islice(turns, TRIES):  # nor is one found twice by the same process
        with suppress(PortTaken):
            return _bound(UNGIVEN[turn % len(UNGIVEN)], host)
    raise PortTaken(f"{TRIES} ports on {host} were tried, and none could be had")


def _bound(port: int, host: str) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortTaken(f"port {port} on {host} is taken: {error}") from error
        return port


def web_command(host: str, port: int) -> list[str]:
    """Our web server; docs/operations.md tells why this one."""
    return [
        *[str(Path(sys.executable).with_name("uvicorn")), "--workers", "2"],
        *["--host", host, "--port", str(port), "--lifespan", "off", "--ws", "none"],
        *["--no-access-log", "--log-level", "warning", "bgreview.asgi:application"],
    ]


def kill_group(group: int, family: set[psutil.Process]) -> None:
    """Kill what is left of the group of one that has ended, and of its family."""
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
    for member in family:
        with suppress(psutil.NoSuchProcess):
            member.kill()
    until = time.monotonic() + DYING
    while any(map(lives, family)) and time.monotonic() < until:
        time.sleep(0.01)


def lives(process: psutil.Process) -> bool:
    """A zombie does not: whoever adopted it may take its time to bury it."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _descendants(process: subprocess.Popen[Any]) -> set[psutil.Process]:
    """All that it started, in whatever session they are."""
    try:
        return set(psutil.Process(process.pid).children(recursive=True))
    except psutil.NoSuchProcess:
        return set()


def _led_by(process: psutil.Process) -> int:
    """Its group, if it leads one; else 0."""
    try:
        return process.pid if os.getpgid(process.pid) == process.pid else 0
    except ProcessLookupError:
        return 0
