"""The processes of a run, with whom to kill among them."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2
import psutil

from bgreview.processes import Processes, web_command
from jobs.models import Sweep
from tests.postgres import Embedded

WORKERS = ("worker-1", "worker-2")
GRACE = 30.0  # seconds for a worker command to end in
SCALE = 0.15  # of the sandbox's durations: jobs take 1 to 6 s


class House:
    """`with House(...) as house`: a database, and after open() all that runs on it."""

    def __init__(
        self, scratch: Path, ports: dict[str, int], told: dict[str, str], seed: int
    ) -> None:
        self.scratch, self._ports, self._told, self._seed = scratch, ports, told, seed
        self.postgres = Embedded(scratch, crashes=True)
        self.ledger = scratch / "received.jsonl"
        self.urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
        (scratch / "logs").mkdir()
        self._processes = Processes(told, scratch / "logs")
        self._workers: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        self.postgres.start()
        return self

    def open(self) -> None:
        """Start the processes, on a database that is ready."""
        if self._told["Q_BROKER"] != "orm":
            self._start_redis()
        self._processes.manage(
            "sandbox",
            *["sandbox", f"--port={self._ports['sandbox']}", f"--scale={SCALE}"],
            *[f"--webhook-url={self.urls['web']}/webhooks/openai/"],
            f"--seed={self._seed}",
        )
        receiver = [sys.executable, "-m", "tests.chaos.receiver"]
        where = [str(self._ports["receiver"]), str(self.ledger), str(self._seed)]
        self._processes.start("receiver", receiver + where)
        self.start_web()
        for name in WORKERS:
            self.start_worker(name)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._processes.stop()
        self.postgres.stop()

    def start_web(self) -> None:
        self._web = self._processes.start(
            "web", web_command("127.0.0.1", self._ports["web"])
        )

    def start_worker(self, name: str) -> None:
        self._workers[name] = self._processes.manage(name, "worker")

    def restart_the_dead(self) -> None:
        """What a supervisor does: a command that has ended is started again."""
        for name, process in list(self._workers.items()):
            if process.poll() is not None:
                self.start_worker(name)
        if self._web.poll() is not None:
            self.start_web()

    # ---- whom to kill ------------------------------------------------------------

    def family(self, name: str) -> list[psutil.Process]:
        """The clusters of a worker command, and all that they started."""
        try:
            return psutil.Process(self._workers[name].pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def clusters(self, name: str) -> list[psutil.Process]:
        try:
            return psutil.Process(self._workers[name].pid).children()
        except psutil.NoSuchProcess:
            return []

    def strays(self) -> list[str]:
        """Clusters that a worker command has forgotten: it watches two."""
        return [
            f"{name} has {len(found)} clusters"
            for name in WORKERS
            if len(found := self.clusters(name)) > 2
        ]

    def sentinels(self, name: str) -> list[psutil.Process]:
        """The guards of django-q2: each cluster has one, with the workers below."""
        return [child for one in self.clusters(name) for child in _children(one)]

    def workers(self, name: str) -> list[psutil.Process]:
        """Workers, monitors and pushers."""
        return [child for one in self.sentinels(name) for child in _children(one)]

    def kill_tree(self, name: str) -> None:
        """The command and everything below, at once."""
        family = self.family(name)
        self._workers[name].kill()
        for one in family:
            kill(one.pid)

    def stop_worker(self, name: str) -> None:
        """SIGTERM, and wait for its end."""
        self._workers[name].terminate()
        self._workers[name].wait(GRACE)

    def kill_web(self) -> None:
        family = _children(psutil.Process(self._web.pid))
        self._web.kill()
        for one in family:
            kill(one.pid)

    def sweeping(self, lane: str) -> list[int]:
        """The processes at work in this lane."""
        rows = Sweep.objects.filter(lane=lane, ended_at=None)
        return [
            pid for pid in rows.values_list("pid", flat=True) if psutil.pid_exists(pid)
        ]

    # ---- the world outside -------------------------------------------------------

    def order(self, fault: str, **how: object) -> None:
        """Have the sandbox play this fault."""
        url = f"{self.urls['sandbox']}/sandbox/faults"
        answer = httpx2.post(url, json={"fault": fault, **how}, trust_env=False)
        assert answer.status_code == 201, answer.text

    def clear_faults(self) -> None:
        httpx2.delete(f"{self.urls['sandbox']}/sandbox/faults", trust_env=False)

    def played(self, fault: str) -> int:
        """How often this fault was played by now."""
        url = f"{self.urls['sandbox']}/sandbox/ledger"
        counts = httpx2.get(url, trust_env=False).json()["faults"]
        return sum(counts.get(fault, {}).values())

    def conversations(self) -> list[dict[str, Any]]:
        """All that the sandbox ever made, and what is in them."""
        url = f"{self.urls['sandbox']}/sandbox/ledger"
        found = httpx2.get(url, trust_env=False, timeout=60).json()
        return list(found["conversations"])

    def hold_receiver(self, seconds: float) -> None:
        url = f"{self.urls['receiver']}/hold"
        httpx2.post(url, params={"seconds": seconds}, trust_env=False)

    def _start_redis(self) -> None:
        program = shutil.which("redis-server")
        assert program, "no redis-server here: install redis, or leave out --broker"
        self._processes.start(
            "redis",
            [
                *[program, "--port", str(self._ports["redis"]), "--bind", "127.0.0.1"],
                *["--save", "", "--appendonly", "no", "--dir", str(self.scratch)],
            ],
        )


def kill(pid: int) -> bool:
    """SIGKILL; False if it was gone already."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children()
    except psutil.NoSuchProcess:
        return []
