"""Our two clusters of django-q2, watched.

A process that is killed may take a queue's lock with it: its cluster then looks alive
and does nothing, for ever. So a cluster that lost any process, or whose sweeps give no
sign of life, is replaced: a fresh one takes over, then the old one retires.
"""

import os
import platform
import subprocess
import sys
import time
from contextlib import suppress
from datetime import datetime, timedelta

import psutil
from django.conf import settings
from django.db import DatabaseError
from django.db.models import QuerySet
from django.utils import timezone

from bgreview.processes import end_with_parent, kill_group, lives
from jobs.models import Sweep
from jobs.queue import DEFAULT, SWEEPS, ring

GROWING = timedelta(seconds=30)  # the longest a cluster takes to be complete
SILENT = timedelta(seconds=5)  # no beat for this long: ask for another sweep
HUNG = timedelta(seconds=20)  # asked, and still nothing: the cluster is no good
GRACE = 12  # seconds for what is under way, before we kill
LANES = {SWEEPS: Sweep.PROVIDER, DEFAULT: Sweep.OUTBOX}
UNCHECKED = "--skip-checks"
BESIDE_WORKERS = 3  # sentinel, monitor, pusher


class Cluster:
    """One qcluster process group, and what is wrong with it, if anything."""

    def __init__(self, name: str) -> None:
        self.name, self.lane = name, LANES[name]
        self._born = self._complete_at = self._rung = timezone.now()
        self._members: set[psutil.Process] = set()
        others = settings.Q_CLUSTER["ALT_CLUSTERS"]
        self._size = others.get(name, settings.Q_CLUSTER)["workers"] + BESIDE_WORKERS
        self.process = subprocess.Popen(
            # The checks were made when we started.
            [sys.executable, settings.BASE_DIR / "manage.py", "qcluster", UNCHECKED],
            env=os.environ | {"Q_CLUSTER_NAME": name},
            start_new_session=True,
            preexec_fn=end_with_parent,
        )
        ring(name)

    def became_complete(self) -> bool:
        """Once, when all its processes are there: none is missed before that."""
        if self._members or len(alive := self._alive()) < self._size:
            return False
        self._members, self._complete_at = alive, timezone.now()
        return True

    def complaint(self) -> str:
        """Why it should be replaced; empty while it is well."""
        if self.process.poll() is not None:
            return f"it ended with {self.process.returncode}"
        now = timezone.now()
        if not self._members:
            if now - self._born < GROWING:
                return ""
            return f"it has {len(self._alive())} of {self._size} processes"
        if lost := [member.pid for member in self._members if not lives(member)]:
            return f"it lost {sorted(lost)}"
        return self._listen(now)

    def _listen(self, now: datetime) -> str:
        """Ring once after a short silence, complain after a long one."""
        beat = Sweep.objects.last_beat(self.lane)
        silence = now - max(self._complete_at, beat or self._complete_at)
        if silence > HUNG:
            return f"no sign of life for {silence.seconds} s"
        if silence > SILENT and now - self._rung > SILENT:
            self._rung = now
            ring(self.name)
        return ""

    def dismiss(self) -> None:
        """Tell its sweeps to stop, and the cluster to end; does not wait."""
        self._members |= self._alive()
        self._dismissed_at = time.monotonic()
        with suppress(DatabaseError):  # then they stop when they are killed
            pids = [member.pid for member in self._members]
            _going_here().filter(pid__in=pids).update(ended_at=timezone.now())
        if self.process.poll() is None:
            self.process.terminate()

    def is_over(self) -> bool:
        """Of one that was dismissed: it has ended, or has had its time to."""
        had_its_time = time.monotonic() - self._dismissed_at > GRACE
        return had_its_time or self.process.poll() is not None

    def bury(self) -> None:
        """Wait for its end, then kill whatever is left of its group."""
        left = self._dismissed_at + GRACE - time.monotonic()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(max(0, left))
        kill_group(self.process.pid, self._members)
        self.process.wait()

    def _alive(self) -> set[psutil.Process]:
        try:
            family = psutil.Process(self.process.pid).children(recursive=True)
            return set(filter(lives, family))
        except psutil.NoSuchProcess:
            return set()


def close_rows_of_the_dead() -> None:
    """A sweep that was killed did not end its row: whoever outlives it does."""
    pids = set(_going_here().values_list("pid", flat=True))
    dead = pids - {process.pid for process in filter(lives, psutil.process_iter())}
    _going_here().filter(pid__in=dead).update(ended_at=timezone.now())


def _going_here() -> QuerySet[Sweep]:
    return Sweep.objects.filter(host=platform.node(), ended_at=None)
