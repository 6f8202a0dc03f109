"""Whether a job's history is whole: chained, gapless, and ending where the job is."""

from jobs.kit.canonical import sha256_hex
from jobs.lifecycle import chained
from jobs.models import Job


def broken_links(job: Job) -> list[str]:
    """What is wrong with its events, a sentence each; empty when nothing is."""
    broken, last, status = [], "", ""
    events = job.events.select_related("beside", "job").order_by("seq")
    for place, event in enumerate(events, start=1):
        if event.seq != place:
            broken.append(f"Event {place} is missing, or out of order.")
            break
        if event.digest != chained(event, last):
            broken.append(f"Event {place} was changed: its digest does not match.")
        beside = getattr(event, "beside", None)
        if beside and sha256_hex(beside.salt + beside.text) != event.note_digest:
            broken.append(f"The note of event {place} was changed.")
        if event.kind == job.EVENT_KIND:
            if event.was != status:
                broken.append(f"Event {place} leaves {event.was}, not {status}.")
            status = event.became
        last = event.digest
    if status != job.status:
        broken.append(f"The history ends at {status or 'nothing'}, not {job.status}.")
    return broken
