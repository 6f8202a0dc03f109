"""manage.py worker: both clusters under watch, until SIGTERM or Ctrl-C."""

import signal
import threading
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import DatabaseError, connection

from bgreview.clusters import Cluster, close_rows_of_the_dead
from jobs.queue import DEFAULT, SWEEPS, ensure_schedules

EVERY = 1.0  # seconds between two looks at the clusters


class Command(BaseCommand):
    help = "Run what happens in the background: sweeps and the outbox."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stop.set())
        ensure_schedules(settings.SWEEPS)
        self.clusters = [Cluster(SWEEPS), Cluster(DEFAULT)]
        self.retired: list[Cluster] = []
        self.stdout.write("worker: sweeps and outbox are starting")
        while not self.stop.wait(EVERY):
            self.watch()
        for cluster in self.clusters:
            cluster.dismiss()
        for cluster in [*self.clusters, *self.retired]:
            cluster.bury()
        with suppress(DatabaseError):
            close_rows_of_the_dead()

    def watch(self) -> None:
        """Replace what is no good: the fresh one first, then the old one retires."""
        for place, cluster in enumerate(self.clusters):
            try:
                if cluster.became_complete():
                    self.stderr.write(f"worker: {cluster.name} is complete")
                if complaint := cluster.complaint():
                    self.stderr.write(f"worker: a new {cluster.name}: {complaint}")
                    self.clusters[place] = Cluster(cluster.name)
                    self.retired.append(cluster)
                    cluster.dismiss()
            except DatabaseError as error:
                self.stderr.write(f"worker: the database is away: {error}")
                connection.close()
        for cluster in [one for one in self.retired if one.is_over()]:
            cluster.bury()
            self.retired.remove(cluster)
