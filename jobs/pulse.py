"""A sweep's row: proof of life once a second, and how others tell it to stop."""

import os
import platform
import time

from django.utils import timezone

from jobs.models import Sweep

EVERY = 1.0  # seconds


class Pulse:
    """Whoever ends the row, ends the sweep."""

    def __init__(self, lane: str) -> None:
        now = timezone.now()
        self.handled = 0
        self._last = time.monotonic()
        self._row = Sweep.objects.create(
            lane=lane,
            host=platform.node(),
            pid=os.getpid(),
            started_at=now,
            beat_at=now,
        )

    def beats(self) -> bool:
        """Say that we live, once a second; False when we were told to stop."""
        if time.monotonic() - self._last < EVERY:
            return True
        self._last = time.monotonic()
        ours = Sweep.objects.filter(pk=self._row.pk, ended_at=None)
        return bool(ours.update(beat_at=timezone.now(), handled=self.handled))

    def end(self) -> dict[str, int]:
        """Close the row; what is returned is kept with the task."""
        now = timezone.now()
        ours = Sweep.objects.filter(pk=self._row.pk)
        ours.filter(ended_at=None).update(ended_at=now)
        ours.update(beat_at=now, handled=self.handled)
        return {"handled": self.handled}
