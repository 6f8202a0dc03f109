"""`manage.py worker` as it runs: real processes, some of which are killed."""

import os
import platform
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import psutil
import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from psutil import pid_exists

from bgreview import clusters
from jobs.models import Job, Sweep
from jobs.queue import SWEEPS
from tests.house import submit

ROOT = Path(__file__).parent.parent
STARTING = 60  # seconds, on a busy machine
RESUMING = 45  # "well within a minute"
STOPPING = 10
NAME = "BGREVIEW_TEST_FAMILY"
Found = TypeVar("Found")

pytestmark = pytest.mark.processes


@dataclass
class Worker:
    """The command, and all that descends from it, wherever it was adopted."""

    command: subprocess.Popen
    family: str
    log: Path

    def members(self) -> list[psutil.Process]:
        return [one for one in psutil.process_iter() if self._is_ours(one)]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get(NAME) == self.family
        except psutil.Error:  # a zombie, or somebody else's
            return False

    def sweep_workers(self) -> list[psutil.Process]:
        """Who sweeps or could, once there is one cluster for it: all its workers."""
        pools = [pool for member in self.members() if (pool := self._pool_of(member))]
        return pools[0] if len(pools) == 1 else []

    def _pool_of(self, guard: psutil.Process) -> list[psutil.Process]:
        """The workers come first of a guard's children, then monitor and pusher."""
        with suppress(psutil.Error):
            if guard.environ().get("Q_CLUSTER_NAME") == "sweeps":
                own = sorted(guard.children(), key=psutil.Process.create_time)
                return own[:3] if len(own) == 5 else []
        return []


@pytest.fixture
def worker(other_process_env, provider, tmp_path) -> Iterator[Worker]:
    """A worker of this test's database, which asks the sandbox."""
    family, log = uuid.uuid4().hex, tmp_path / "worker.log"
    env = other_process_env | {NAME: family, "OPENAI_BASE_URL": provider.base_url}
    with log.open("w") as out:
        command = subprocess.Popen(
            [sys.executable, "manage.py", "worker"],
            cwd=ROOT,
            env=env,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    worker = Worker(command, family, log)
    try:
        yield worker
    finally:
        command.terminate()
        try:
            command.wait(STOPPING + 10)
        except subprocess.TimeoutExpired:
            command.kill()
        for member in worker.members():
            member.kill()
        command.wait()
        print(log.read_text())  # pytest shows it should the test have failed


def wait_for(what: str, seconds: float, look: Callable[[], Found]) -> Found:
    until = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < until, f"{what}: not within {seconds} s"
        time.sleep(0.1)
    return found


def gets_through(by: User, seconds: float) -> None:
    job = submit(by)
    done = Job.objects.filter(pk=job.pk, status="awaiting_review")
    wait_for("a job comes to its review", seconds, done.exists)


def sweeping() -> set[int]:
    """Whose sweeps go on."""
    going = Sweep.objects.filter(lane=Sweep.PROVIDER, ended_at=None)
    return {pid for pid in going.values_list("pid", flat=True) if pid_exists(pid)}


def an_idle_one(worker: Worker) -> psutil.Process | None:
    """One that does not sweep, of a cluster whose watchdog will miss it."""
    if "sweeps is complete" not in worker.log.read_text().rpartition("a new sweeps")[2]:
        return None
    pool = worker.sweep_workers()
    idle = [one for one in pool if one.pid not in sweeping()]
    if pool and not idle:  # on a busy machine several sweeps were asked for: end one
        Sweep.objects.filter(pid=pool[-1].pid).update(ended_at=timezone.now())
    return idle[-1] if idle else None


def test_work_goes_on_by_itself_whoever_is_killed_and_ends_when_told_to(
    worker, note, shop
):
    gets_through(shop, STARTING)
    assert sweeping() <= {member.pid for member in worker.members()}

    # An idle one may take a lock of the queue with it: then no sweep ever starts.
    idle = wait_for("an idle worker", STARTING, lambda: an_idle_one(worker))
    idle.kill()
    news = f"a new sweeps: it lost [{idle.pid}]"
    wait_for(news, RESUMING, lambda: news in worker.log.read_text())
    gets_through(shop, RESUMING)

    killed = wait_for("a sweep", RESUMING, sweeping)
    for pid in killed:
        psutil.Process(pid).kill()
    gets_through(shop, RESUMING)
    wait_for("another sweep", RESUMING, lambda: sweeping() - killed)

    worker.command.terminate()
    assert worker.command.wait(STOPPING) == 0
    assert worker.members() == []
    assert not Sweep.objects.filter(ended_at=None).exists()


def test_a_cluster_that_does_not_become_complete_is_no_good(db, monkeypatch):
    monkeypatch.setattr(clusters, "GROWING", timedelta(0))
    monkeypatch.setattr(clusters, "BESIDE_WORKERS", 997)
    monkeypatch.setattr(clusters, "GRACE", 0)
    cluster = clusters.Cluster(SWEEPS)
    try:
        assert not cluster.became_complete()
        assert re.fullmatch(r"it has \d of 1000 processes", cluster.complaint())
    finally:
        cluster.dismiss()
        cluster.bury()


def test_rows_of_killed_sweeps_are_closed_by_who_outlives_them(db):
    with subprocess.Popen(["sleep", "0"]) as gone:
        gone.wait()
    unburied = subprocess.Popen(["sleep", "0"])
    dead = psutil.Process(unburied.pid)
    wait_for("a zombie", 10, lambda: dead.status() == psutil.STATUS_ZOMBIE)
    now = timezone.now()
    for pid in (gone.pid, unburied.pid, os.getpid()):
        Sweep.objects.create(
            lane=Sweep.PROVIDER,
            host=platform.node(),
            pid=pid,
            started_at=now,
            beat_at=now,
        )
    clusters.close_rows_of_the_dead()
    unburied.wait()
    assert Sweep.objects.get(ended_at=None).pid == os.getpid()
