"""Whether a job's history is whole: chained, gapless, and ending where the job is."""

from collections.abc import Iterable, Iterator
from itertools import groupby

from jobs.kit.canonical import sha256_hex
from jobs.lifecycle import chained
from jobs.models import Job, JobEvent

AT_ONCE = 200  # jobs whose events are read with one question


def broken_links(job: Job) -> list[str]:
    """What is wrong with its events, a sentence each; empty when nothing is."""
    events = job.events.select_related("beside").order_by("seq")
    broken, status = _follow(job, events)
    if status != job.status:
        broken.append(f"The history ends at {status or 'nothing'}, not {job.status}.")
    return broken


def broken_histories(job_ids: list[int]) -> Iterator[tuple[Job, list[str]]]:
    """Those of these jobs whose events are not whole, with what is wrong there."""
    for start in range(0, len(job_ids), AT_ONCE):
        jobs = Job.objects.only("public_id").in_bulk(job_ids[start : start + AT_ONCE])
        rows = JobEvent.objects.filter(job__in=jobs).select_related("beside")
        for pk, events in groupby(rows.order_by("job_id", "seq"), lambda e: e.job_id):
            broken, _ = _follow(jobs[pk], events)
            if broken:
                yield jobs[pk], broken


def _follow(job: Job, events: Iterable[JobEvent]) -> tuple[list[str], str]:
    """What is wrong from link to link, and the status that the events end at."""
    broken, last, status = [], "", ""
    for place, event in enumerate(events, start=1):
        event.job = job
        if event.seq != place:
            broken.append(f"Event {place} is missing, or out of order.")
            break
        if event.digest != chained(event, last):
            broken.append(f"Event {place} was changed: its digest does not match.")
        beside = getattr(event, "beside", None)
        if beside and sha256_hex(beside.salt + beside.text) != event.note_digest:
            broken.append(f"The note of event {place} was changed.")
        if event.kind == Job.EVENT_KIND:
            if event.was != status:
                broken.append(f"Event {place} leaves {event.was}, not {status}.")
            status = event.became
        last = event.digest
    return broken, status
