"""The auditor: proves promises 1 to 4 of the house from three ledgers.

Our database, the provider's ledger and the receiver's tell of the same events, and
none of them is written by another. To be asked when all is quiet:

    report = audit(Provider(url).ledger(), read_ledger(path))
    assert report.is_clean, report

1. Nothing lost: every job has ended or waits for a person, its events end where its
   rows are, and what was approved has arrived.
2. Nothing delivered twice: one webhook-id for each result and destination, with the
   same bytes at every try.
3. Nothing delivered that was not approved, as it was approved.
4. No paid call twice without a trace: each response is known to one attempt, or is
   listed as an orphan.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings

from jobs.doctor.checks import About
from jobs.doctor.visit import examine
from jobs.kit.canonical import digest_of
from jobs.models import Attempt, Job, WebhookReceipt
from jobs.models.job import FINAL
from reviews.models import Decision, Delivery

Line = dict[str, Any]
WITH_A_PERSON = {"awaiting_review", "requires_action"}
OWED = ["pending", "sending"]
STUCK = ["failed", "uncertain", "refused"]  # a person goes on from there
# After these a create surely made nothing; after any other end nobody knows.
REFUSED = {"malformed_input", "policy", "auth", "quota"}
AT_ONCE = 500
SAME_CLOCK = timedelta(seconds=1)  # the receiver's ledger has milliseconds


@dataclass
class Report:
    """What is wrong, a sentence each that names its job; and what was seen."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    unapproved: list[str] = field(default_factory=list)
    found: list[str] = field(default_factory=list)  # by the doctor
    orphans: list[str] = field(default_factory=list)  # known, and so no fault
    waiting: list[str] = field(default_factory=list)  # deliveries, for a person
    jobs: int = 0
    responses: int = 0
    held: int = 0  # of the responses: by the one attempt that each is known to
    received: int = 0
    repeats: int = 0  # on the wire, which is allowed

    @property
    def reasons(self) -> list[str]:
        return [*self.lost, *self.doubled, *self.unapproved, *self.found]

    @property
    def is_clean(self) -> bool:
        return not self.reasons

    @property
    def last_line(self) -> str:
        return (
            f"lost {len(self.lost)}, doubled {len(self.doubled)}, "
            f"unapproved {len(self.unapproved)}, orphans {len(self.orphans)}"
        )

    def __str__(self) -> str:
        return "\n".join([*self.reasons, self.last_line])


def audit(
    responses: Iterable[Line] | None = None,
    received: Iterable[Line] | None = None,
) -> Report:
    """Compare the ledgers; one that is None is not looked at."""
    report = Report(jobs=Job.objects.count())
    report.found += _what_the_doctor_finds()
    report.lost += _unfinished()
    report.lost += _undelivered(report)
    if responses is not None:
        _compare_responses(report, list(responses))
    if received is not None:
        _compare_received(report, list(received))
    return report


def _what_the_doctor_finds() -> Iterator[str]:
    """Rows that break a rule: every row, and nothing about processes."""
    for rule, found in examine(About.ROWS, whole=True):
        yield f"{found.subject}: {rule}: {found.sentence}"


# ---- nothing lost ------------------------------------------------------------------


def _unfinished() -> Iterator[str]:
    """When all is quiet, a job has ended or is with a person."""
    at_rest = [*FINAL, *WITH_A_PERSON]
    for job in Job.objects.exclude(status__in=at_rest).iterator():
        yield f"job {job.public_id}: still {job.status}"


def _undelivered(report: Report) -> Iterator[str]:
    """Each request that was approved is a delivery, and none is still owed."""
    approvals = Decision.objects.filter(verdict=Decision.Verdict.APPROVE)
    rows = approvals.select_related("review__job").prefetch_related("deliveries")
    for decision in rows.iterator(chunk_size=AT_ONCE):
        job, planned = decision.review.job, list(decision.deliveries.all())
        missing = {*decision.request_hashes} - {d.request_hash for d in planned}
        if missing:
            yield f"job {job.public_id}: {len(missing)} approved requests are no rows"
        for delivery in planned:
            where = f"job {job.public_id}: delivery {delivery.pk} is {delivery.status}"
            if delivery.status in OWED:
                yield where
            elif delivery.status in STUCK:
                report.waiting.append(where)


# ---- no paid call twice without a trace ----------------------------------------------


def _compare_responses(report: Report, ledger: list[Line]) -> None:
    """Each response that the provider made for us, and each that we know of."""
    ours = [r for r in ledger if _tag(r, "instance") == settings.INSTANCE_ID]
    report.responses = len(ours)
    known = _attempts("response_id", [r["id"] for r in ours])
    begun = _attempts("uuid", [u for r in ours if (u := _uuid(_tag(r, "attempt")))])
    for response in ours:
        _place(report, response, known, begun)
    _created_twice(report, ours)
    _never_made(report, {r["id"] for r in ledger})


def _place(
    report: Report,
    response: Line,
    known: dict[Any, list[Attempt]],
    begun: dict[Any, list[Attempt]],
) -> None:
    """Known to one attempt, or traced to one whose answer was lost, or to a receipt."""
    holders = known.get(response["id"], [])
    attempt = next(iter(begun.get(_uuid(_tag(response, "attempt")), [])), None)
    where = f"job {_tag(response, 'job')}: response {response['id']}"
    if len(holders) > 1:
        report.doubled.append(f"{where} is known to {len(holders)} attempts")
    elif holders and not _is_his(holders[0], attempt):
        report.doubled.append(f"{where} is the answer to another attempt")
    elif holders:
        report.held += 1
    elif _has_orphan_receipt(response["id"]):
        report.orphans.append(f"{where} has a receipt")
    elif attempt and attempt.response_id is None and _may_have_made_it(attempt):
        why = attempt.failure_class or attempt.follow_up
        report.orphans.append(f"{where} of attempt {attempt.number} ({why})")
    elif attempt and attempt.ended_at is None:
        report.lost.append(f"{where} is not noted by attempt {attempt.number}")
    else:
        report.doubled.append(f"{where} was paid for without a trace")


def _is_his(holder: Attempt, begun: Attempt | None) -> bool:
    """Begun by this attempt, or adopted from a lost one of the same job."""
    if begun is None or holder.job_id != begun.job_id:
        return False
    return holder == begun or holder.reason == Attempt.Reason.ADOPTED


def _may_have_made_it(attempt: Attempt) -> bool:
    return attempt.ended_at is not None and attempt.failure_class not in REFUSED


def _has_orphan_receipt(response_id: str) -> bool:
    listed = [WebhookReceipt.Outcome.ORPHAN, WebhookReceipt.Outcome.ADOPTED]
    rows = WebhookReceipt.objects.filter(response_id=response_id, outcome__in=listed)
    return rows.exists()


def _created_twice(report: Report, ours: list[Line]) -> None:
    """The same attempt is sent once: a second response needs a receipt that tells."""
    sent = defaultdict(list)
    for response in ours:
        sent[_tag(response, "job"), _tag(response, "attempt")].append(response["id"])
    for (job, attempt), made in sent.items():
        if len(made) < 2:
            continue
        untold = [one for one in made if not _has_orphan_receipt(one)]
        if len(untold) > 1:
            report.doubled.append(f"job {job}: attempt {attempt} made {untold}")


def _never_made(report: Report, made: set[str]) -> None:
    """A response that we know and the provider does not: somebody made it up."""
    rows = Attempt.objects.exclude(response_id=None).select_related("job")
    for attempt in rows.iterator():
        if attempt.response_id not in made:
            report.lost.append(
                f"job {attempt.job.public_id}: the provider never made "
                f"{attempt.response_id} of attempt {attempt.number}"
            )


def _attempts(field_name: str, values: list[Any]) -> dict[Any, list[Attempt]]:
    found = defaultdict(list)
    for start in range(0, len(values), AT_ONCE):
        wanted = {f"{field_name}__in": values[start : start + AT_ONCE]}
        for attempt in Attempt.objects.filter(**wanted):
            found[getattr(attempt, field_name)].append(attempt)
    return found


def _tag(response: Line, name: str) -> str:
    return str(response["metadata"].get(name, ""))


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


# ---- nothing delivered twice, and nothing unapproved ---------------------------------


def _compare_received(report: Report, ledger: list[Line]) -> None:
    """Each webhook that arrived, and each delivery that counts as arrived."""
    by_id = defaultdict(list)
    for line in ledger:
        by_id[line["webhook_id"]].append(line)
    report.received, report.repeats = len(by_id), len(ledger) - len(by_id)
    rows = Delivery.objects.select_related(
        "job", "result", "decision__review", "destination"
    )
    ours = {d.webhook_id: d for d in rows.iterator() if d.destination.kind == "webhook"}
    for webhook_id, lines in by_id.items():
        _judge(report, webhook_id, lines, ours.get(webhook_id))
    _same_content_twice(report, [ours[i] for i in by_id if i in ours])
    report.lost += [
        f"job {d.job.public_id}: delivery {d.pk} never arrived at {d.destination}"
        for webhook_id, d in ours.items()
        if d.status == Delivery.Status.DELIVERED and webhook_id not in by_id
    ]


def _judge(
    report: Report, webhook_id: str, lines: list[Line], delivery: Delivery | None
) -> None:
    """What arrived under one id, as often as it came."""
    event = lines[0]["event"]
    if delivery is None:
        where = f"job {event['data']['job']['id']}"
        report.unapproved.append(f"{where}: {webhook_id} is no delivery of ours")
        return
    where = f"job {delivery.job.public_id}: delivery {delivery.pk}"
    if any(line["event"] != event for line in lines):
        report.doubled.append(f"{where} came with several contents")
    at = min(datetime.fromisoformat(line["received_at"]) for line in lines)
    for why in _why_unapproved(delivery, [line["event"] for line in lines], at):
        report.unapproved.append(f"{where} {why}")


def _why_unapproved(
    delivery: Delivery, events: list[Line], at: datetime
) -> Iterator[str]:
    """What is not as it was decided, in what was received and in our rows."""
    decision, job = delivery.decision, delivery.job
    if decision.verdict != Decision.Verdict.APPROVE:
        yield f"arrived, and the decision is to {decision.verdict}"
    if decision.review.job_id != job.pk:
        yield "arrived by the decision on another job"
    if job.status not in (Job.Status.APPROVED, Job.Status.DELIVERED):
        yield f"arrived, and the job is {job.status}"
    if at + SAME_CLOCK < decision.at:
        yield "arrived before it was decided on"
    approved = {decision.content_hash, job.approved_hash, delivery.result.content_hash}
    arrived = {digest_of(event["data"]["content"]) for event in events}
    said = {event["data"]["content_sha256"] for event in events}
    if len(approved | arrived | said) > 1:
        yield "arrived with another content than the approved one"
    needed = decision.review.terms.approvals
    for what, last in _approvals_of(decision):
        alike = Decision.objects.counting_with(last).order_by()
        people = alike.values("by").distinct().count()
        if people < needed:
            yield f"arrived, {what} by {people} of {needed}"
    if delivery.request_hash not in decision.request_hashes:
        yield "arrived with a request that nobody decided on"
    stored = json.loads(delivery.request)["body"] if delivery.request else ""
    if stored and any(event != json.loads(stored) for event in events):
        yield "arrived otherwise than its stored request says"


def _approvals_of(decision: Decision) -> Iterator[tuple[str, Decision]]:
    """The last one of the result, and of a delivery that was approved anew."""
    of_result = decision.review.decisions.on_the_result().filter(verdict="approve")
    last = of_result.filter(content_hash=decision.content_hash).order_by("pk").last()
    yield "approved", last or decision
    if decision.delivery_id:
        yield "approved anew", decision


def _same_content_twice(report: Report, arrived: list[Delivery]) -> None:
    """One id for each result and destination, but where a person gave one up."""
    rows = [d for d in arrived if d.status != Delivery.Status.WITHDRAWN]
    times = Counter((d.job.public_id, d.result_id, d.destination_id) for d in rows)
    report.doubled += [
        f"job {job}: result {result} arrived under {n} ids at destination {to}"
        for (job, result, to), n in times.items()
        if n > 1
    ]
