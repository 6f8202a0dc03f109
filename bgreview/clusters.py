"""Our two clusters of django-q2, watched.

A process that is killed may take a queue's lock with it: its cluster then looks alive
and does nothing, for ever. So a cluster that lost any process, or whose sweeps give no
sign of life, is replaced: a fresh one takes over, then the old one retires.
"""

import os
import platform
import signal
import subprocess
import sys
from contextlib import suppress
from datetime import datetime, timedelta

import psutil
from django.conf import settings
from django.utils import timezone

from bgreview.processes import end_with_parent
from jobs.models import Sweep
from jobs.queue import DEFAULT, SWEEPS, ring

GROWING = timedelta(seconds=5)  # how long a cluster takes to have all its processes
SILENT = timedelta(seconds=5)  # no beat for this long: ask for another sweep
HUNG = timedelta(seconds=20)  # asked, and still nothing: the cluster is no good
GRACE = 12  # seconds for what is under way, before we kill
LANES = {SWEEPS: Sweep.PROVIDER, DEFAULT: Sweep.OUTBOX}


class Cluster:
    """One qcluster process group, and what is wrong with it, if anything."""

    def __init__(self, name: str) -> None:
        self.name, self.lane = name, LANES[name]
        self.born = self._rung = timezone.now()
        self._members: set[int] = set()
        self.process = subprocess.Popen(
            [sys.executable, str(settings.BASE_DIR / "manage.py"), "qcluster"],
            env=os.environ | {"Q_CLUSTER_NAME": name},
            start_new_session=True,
            preexec_fn=end_with_parent,
        )
        ring(name)

    def complaint(self) -> str:
        """Why it should be replaced; empty while it is well."""
        if self.process.poll() is not None:
            return f"it ended with {self.process.returncode}"
        now = timezone.now()
        if now - self.born < GROWING:
            return ""
        alive = self._alive()
        self._members = self._members or alive
        if lost := self._members - alive:
            return f"it lost {sorted(lost)}"
        return self._listen(now)

    def _listen(self, now: datetime) -> str:
        """Ring once after a short silence, complain after a long one."""
        beat = Sweep.objects.last_beat(self.lane)
        silence = now - max(self.born, beat or self.born)
        if silence > HUNG:
            return f"no sign of life for {silence.seconds} s"
        if silence > SILENT and now - self._rung > SILENT:
            self._rung = now
            ring(self.name)
        return ""

    def dismiss(self) -> None:
        """Tell its sweeps to stop, and the cluster to end; does not wait."""
        pids = self._members | self._alive()
        here = Sweep.objects.filter(host=platform.node(), ended_at=None)
        here.filter(pid__in=pids).update(ended_at=timezone.now())
        if self.process.poll() is None:
            self.process.terminate()

    def bury(self, grace: float = GRACE) -> None:
        """Wait for its end, then kill whatever is left of its group."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(grace)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def _alive(self) -> set[int]:
        try:
            children = psutil.Process(self.process.pid).children(recursive=True)
            return {c.pid for c in children if c.status() != psutil.STATUS_ZOMBIE}
        except psutil.NoSuchProcess:
            return set()
