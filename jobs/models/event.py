"""JobEvent: one line of a job's history, chained to the one before."""

from collections.abc import Iterable

from django.db import models

from jobs.models.job import Job


class JobEvent(models.Model):
    """Only ever added, and the database sees to it. `data` holds no content."""

    job = models.ForeignKey(Job, models.PROTECT, related_name="events")
    seq = models.PositiveIntegerField()
    kind = models.CharField(max_length=20)
    was = models.CharField(max_length=20, blank=True)
    became = models.CharField(max_length=20, blank=True)
    actor = models.CharField(max_length=150)
    data = models.JSONField(default=dict, blank=True)
    note_digest = models.CharField(max_length=64, blank=True)
    at = models.DateTimeField()
    digest = models.CharField(max_length=64)

    class Meta:
        ordering = ["job_id", "seq"]
        constraints = [
            models.UniqueConstraint(
                fields=["job", "seq"], name="one_event_per_sequence_number"
            )
        ]

    def __str__(self) -> str:
        move = f"{self.was} -> {self.became}" if self.became else ""
        return f"{self.seq}. {self.kind} {move}".strip()

    @property
    def note(self) -> str:
        """What was said with it, unless that was erased."""
        beside = getattr(self, "beside", None)
        return beside.text if beside else ""

    @staticmethod
    def write_notes(notes: Iterable[tuple["JobEvent", str, str]]) -> None:
        """Store the notes, each with its salt, beside the events they belong to."""
        EventNote.objects.bulk_create(
            EventNote(event=event, salt=salt, text=text)
            for event, salt, text in notes
            if text
        )


class EventNote(models.Model):
    """Free text of an event: may be erased, the chain holds only its salted hash."""

    event = models.OneToOneField(
        JobEvent, models.PROTECT, related_name="beside", primary_key=True
    )
    salt = models.CharField(max_length=32)
    text = models.TextField()

    def __str__(self) -> str:
        return self.text
