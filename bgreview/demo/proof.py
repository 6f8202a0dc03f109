"""What the troubles left behind: the auditor's word, and the doctor's."""

from collections.abc import Iterator
from dataclasses import dataclass

from bgreview.audit import Report
from bgreview.demo.chaos import Chaos
from jobs.doctor.visit import Diagnosis
from jobs.management.commands.doctor import as_text
from jobs.models import Job, JobEvent
from jobs.services.verify import broken_histories


@dataclass(frozen=True)
class Proof:
    """Three ledgers compared, every row examined, every history read."""

    report: Report
    diagnosis: Diagnosis
    chaos: Chaos
    mails: int

    @property
    def reasons(self) -> list[str]:
        """Why it is none, a sentence each."""
        found = [f"{one.subject}: {one.sentence}" for _, one in self.diagnosis]
        return [*self.report.reasons, *found, *self.chaos.stuck]

    def lines(self) -> Iterator[tuple[str, str]]:
        """What was counted, and what it came to."""
        report, chaos = self.report, self.chaos
        yield "troubles", f"{chaos.kills} processes killed, {chaos.faults} faults met"
        yield (
            "responses",
            f"{report.responses} made by the provider: {report.held} known to one "
            f"attempt each, {len(report.orphans)} orphans",
        )
        yield from (("", f"orphan: {orphan}") for orphan in report.orphans)
        yield (
            "deliveries",
            f"{report.received} webhooks by webhook-id, {report.repeats} repeats on "
            f"the wire; {self.mails} mails",
        )
        yield "histories", self._histories()
        yield "doctor", " ".join(as_text(self.diagnosis).split())

    def _histories(self) -> str:
        jobs = list(Job.objects.values_list("pk", flat=True))
        whole = len(jobs) - len(list(broken_histories(jobs)))
        events = JobEvent.objects.count()
        return f"{whole} of {len(jobs)} jobs' chains are whole, {events} events"

    @property
    def last_line(self) -> str:
        within = max(self.chaos.resumed, default=0.0)
        kills = self.chaos.kills
        return f"{self.report.last_line}, kills {kills}, resumed within {within:.0f} s"
