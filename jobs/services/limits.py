"""How many more may start now, by the limits that people set."""

from datetime import datetime

from jobs.models import Job, StartLimit
from jobs.models.job import JobQuerySet

ALL = ""  # the limit that counts every model


class StartRoom:
    """Made inside the claim's transaction: it locks the limits until that ends.

    So two sweeps that begin jobs at once count one after the other.
    """

    def __init__(self, now: datetime) -> None:
        limits = StartLimit.objects.locked() if StartLimit.objects.exists() else []
        self._left = {limit.model: limit.room(now) for limit in limits}

    def exclude_full(self, queued: JobQuerySet) -> JobQuerySet:
        """Without the jobs of models that are full: they hold nobody else up."""
        full = [model for model, left in self._left.items() if not left and model]
        return queued.exclude(version__model__in=full) if full else queued

    def cap(self, room: int) -> int:
        """At most as many as may start of all models together."""
        return min(room, self._left.get(ALL, room))

    def take(self, jobs: list[Job]) -> list[Job]:
        """Of these, the first of each model for which there is room."""
        taken = []
        for job in jobs:
            left = self._left.get(job.version.model)
            if left == 0:
                continue
            if left is not None:
                self._left[job.version.model] = left - 1
            taken.append(job)
        return taken
