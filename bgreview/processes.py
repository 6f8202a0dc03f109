"""The processes of one house, started together and ended together."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

ROOT = Path(__file__).resolve().parent.parent
GRACE = 6.0  # seconds for all of them to end by themselves


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
        self.stop()

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
            stdout=out,
            stderr=out and subprocess.STDOUT,
            start_new_session=True,
        )
        self._running[name] = process
        return process

    def manage(self, name: str, *arguments: str) -> subprocess.Popen[Any]:
        """Start one of our management commands."""
        return self.start(name, [sys.executable, "manage.py", *arguments])

    def ended(self) -> list[str]:
        """The names of those that are gone."""
        return [n for n, p in self._running.items() if p.poll() is not None]

    def stop(self) -> None:
        """Ask all to end, the last started first; kill what is left in their groups."""
        running = list(reversed(self._running.values()))
        for process in running:
            _signal(process, signal.SIGTERM)
        until = time.monotonic() + GRACE
        for process in running:
            try:
                process.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                pass
        for process in running:
            _kill_group(process)
            process.wait()
        for file in self._files:
            file.close()
        self._running.clear()


def free_port(wanted: int = 0, host: str = "127.0.0.1") -> int:
    """`wanted` if nobody listens there, else PortTaken; 0: one that is free."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, wanted))
        except OSError as error:
            raise PortTaken(f"port {wanted} on {host} is taken: {error}") from error
        return int(probe.getsockname()[1])


def web_command(host: str, port: int) -> list[str]:
    """Our web server; README.md tells why this one."""
    return [
        *[str(Path(sys.executable).with_name("granian")), "--interface", "asgi"],
        *["--host", host, "--port", str(port), "--workers", "2"],
        *["--no-ws", "--log-level", "warning", "bgreview.asgi:application"],
    ]


def _signal(process: subprocess.Popen[Any], number: int) -> None:
    if process.poll() is None:
        process.send_signal(number)


def _kill_group(process: subprocess.Popen[Any]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
