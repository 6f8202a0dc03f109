"""Checks of jobs, attempts, receipts and pauses: what no row may ever look like.

Each asks one question by an index, or reads a part of a large table in its turn.
"""

from collections.abc import Iterator
from datetime import timedelta
from functools import partial

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Subquery

from jobs.doctor.checks import Found, Scope, finds, job_name, known_jobs
from jobs.models import (
    Attempt,
    Job,
    JobEvent,
    Pause,
    Result,
    StartLimit,
    WebhookReceipt,
)
from jobs.models.job import BEFORE_COMPLETION
from jobs.policy.failures import FailureClass
from jobs.services import mend
from jobs.services.verify import broken_histories

Status = Job.Status
LATE = timedelta(minutes=5)  # sweeps look twice a second
UNSETTLED = timedelta(days=1)
LOST = timedelta(hours=1)  # by then a webhook would have told of it
KEPT = timedelta(days=30)  # how long the provider keeps a response
STALE_PROBE = timedelta(minutes=10)  # it is tried every half minute
STALE_PAUSE = timedelta(days=7)
ANSWERED = [Status.COMPLETED, Status.AWAITING_REVIEW]
ACCEPTED = [Status.APPROVED, Status.DELIVERED]
OPEN_ATTEMPT = Attempt.objects.filter(job=OuterRef("pk"), ended_at=None)


def _jobs(scope: Scope, rows: QuerySet[Job], sentence: str) -> Iterator[Found]:
    for job in scope.some(rows):
        yield Found(job_name(job), sentence.format(job=job))


# ---- jobs and their attempts -----------------------------------------------------


@finds("two_open_attempts")
def two_open_attempts(scope: Scope) -> Iterator[Found]:
    running = Attempt.objects.filter(ended_at=None).order_by().values("job")
    twice = running.annotate(n=Count("pk")).filter(n__gt=1)
    return _jobs(
        scope,
        Job.objects.filter(pk__in=twice.values("job")),
        "Two of its attempts are open: end all but the last by hand.",
    )


@finds("running_without_attempt")
def running_without_attempt(scope: Scope) -> Iterator[Found]:
    rows = Job.objects.filter(~Exists(OPEN_ATTEMPT), status=Status.RUNNING)
    return _jobs(
        scope, rows, "It is running, and no attempt is: cancel it, then retry it."
    )


@finds("queued_yet_accepted")
def queued_yet_accepted(scope: Scope) -> Iterator[Found]:
    accepted = OPEN_ATTEMPT.exclude(response_id=None)
    queued = Job.objects.filter(Exists(accepted), status=Status.QUEUED)
    for job in scope.some(queued):
        yield Found(
            job_name(job),
            "It is queued, but the provider works on it: it is to be running.",
            partial(mend.follow_accepted, job),
        )


@finds("answered_without_result")
def answered_without_result(scope: Scope) -> Iterator[Found]:
    results = Result.objects.filter(job=OuterRef("pk"))
    return _jobs(
        scope,
        Job.objects.filter(~Exists(results), status__in=ANSWERED),
        "It is {job.status} and has no result: look at its attempts and their answers.",
    )


@finds("approved_hash_of_no_result")
def approved_hash_of_no_result(scope: Scope) -> Iterator[Found]:
    fitting = Result.objects.filter(
        job=OuterRef("pk"), content_hash=OuterRef("approved_hash")
    )
    return _jobs(
        scope,
        Job.objects.filter(~Exists(fitting), status__in=ACCEPTED),
        "None of its results has the approved hash: compare them with the decision.",
    )


# ---- who looks, and when ---------------------------------------------------------


@finds("never_woken")
def never_woken(scope: Scope) -> Iterator[Found]:
    """A job that waits for a review is the reviews' to wake."""
    rows = Job.objects.filter(status__in=BEFORE_COMPLETION, wake_at=None)
    for job in scope.some(rows):
        yield Found(
            job_name(job),
            f"It is {job.status} and nothing will look at it: it is to be woken.",
            partial(mend.wake_forgotten, job),
        )


@finds("long_due")
def long_due(scope: Scope) -> Iterator[Found]:
    """While starts are paused or limited, queued jobs are due and wait all the same.

    So do those that wait for others in their thread.
    """
    late = Job.objects.due(scope.now - LATE)
    late = late.exclude(status=Status.QUEUED) | late.filter(
        pk__in=late.filter(status=Status.QUEUED).in_turn().order_by().values("pk")
    )
    if Pause.objects.of_starts().exists() or StartLimit.objects.exists():
        late = late.exclude(status=Status.QUEUED, deadline_at__gt=scope.now)
    return _jobs(
        scope,
        late,
        "It was to be looked at {job.wake_at:%d %b %H:%M} UTC, and nobody did: "
        "see whether a worker runs, and keeps up.",
    )


@finds("unsettled_for_long")
def unsettled_for_long(scope: Scope) -> Iterator[Found]:
    rows = Attempt.objects.filter(
        wake_at__isnull=False, settled_at=None, ended_at__lt=scope.now - UNSETTLED
    )
    for attempt in scope.some(rows.select_related("job")):
        yield Found(
            f"{job_name(attempt.job)}, attempt {attempt.number}",
            f"It ended {attempt.ended_at:%d %b} and may still run at the provider: "
            f"look there for {attempt.response_id}.",
        )


@finds("copy_not_deleted")
def copy_not_deleted(scope: Scope) -> Iterator[Found]:
    rows = Attempt.objects.filter(
        delete_at__isnull=False, job__erased_at__lt=scope.now - UNSETTLED
    )
    for attempt in scope.some(rows.select_related("job")):
        yield Found(
            f"{job_name(attempt.job)}, attempt {attempt.number}",
            f"Its content was deleted here, but {attempt.response_id} is still at the "
            "provider: look whether the key may delete it there.",
        )


@finds("lost_create")
def lost_create(scope: Scope) -> Iterator[Found]:
    """Until the provider would have dropped it, its answer may still be there."""
    lost = Attempt.objects.filter(
        response_id=None,
        failure_class=FailureClass.LOST,
        ended_at__range=(scope.now - KEPT, scope.now - LOST),
    ).exclude(followers__reason=Attempt.Reason.ADOPTED)
    for attempt in scope.some(lost.select_related("job")):
        yield Found(
            f"{job_name(attempt.job)}, attempt {attempt.number}",
            "Its response never showed up, and may have been paid for: look at the "
            f"provider for metadata attempt={attempt.uuid}.",
        )


# ---- histories -------------------------------------------------------------------


@finds("broken_history")
def broken_history(scope: Scope) -> Iterator[Found]:
    known = Q(public_id__in=known_jobs("broken_history"))
    rows = scope.part_of(Job.objects.order_by(), known)
    for job, broken in broken_histories(list(rows.values_list("pk", flat=True))):
        yield Found(job_name(job), f"{' '.join(broken)} Compare it with a backup.")


@finds("status_not_as_told")
def status_not_as_told(scope: Scope) -> Iterator[Found]:
    moves = JobEvent.objects.filter(job=OuterRef("pk"), kind=Job.EVENT_KIND)
    last = Subquery(moves.order_by("-seq").values("became")[:1])
    known = Q(public_id__in=known_jobs("status_not_as_told"))
    rows = scope.part_of(Job.objects.order_by(), known)
    told = rows.annotate(told=last).filter(~Q(told=F("status")) | Q(told=None))
    for job in scope.some(told):
        yield Found(
            job_name(job),
            f"It is {job.status}, but its history ends at {job.told or 'nothing'}: "
            "somebody wrote the row by hand; compare it with a backup.",
        )


# ---- pauses and receipts ---------------------------------------------------------


@finds("stale_pause")
def stale_pause(scope: Scope) -> Iterator[Found]:
    """Of a quota only a start tells, so it is tried when a job waits for one."""
    tried = Q(reason=FailureClass.AUTH)
    if Job.objects.filter(status=Status.QUEUED).exists():
        tried |= Q(reason=FailureClass.QUOTA)
    unprobed = tried & Q(probe_at__lt=scope.now - STALE_PROBE)
    never = ~Q(reason="person") & Q(probe_at=None)
    forgotten = Q(reason="person", began_at__lt=scope.now - STALE_PAUSE)
    stale = Pause.objects.active().filter(unprobed | never | forgotten)
    for pause in scope.some(stale):
        is_mendable = pause.reason != "person" and pause.probe_at is None
        yield Found(
            f"pause {pause.pk}",
            f"{pause} since {pause.began_at:%d %b %H:%M} UTC, and nobody tries whether "
            "its reason is gone: end it if it is.",
            partial(mend.probe, pause) if is_mendable else None,
        )


@finds("receipt_waits")
def receipt_waits(scope: Scope) -> Iterator[Found]:
    for receipt in scope.some(WebhookReceipt.objects.due(scope.now - LATE)):
        yield Found(
            f"receipt {receipt.pk}",
            f"The provider told of {receipt.response_id}, and nobody looked whose it "
            "is: see whether a worker runs.",
        )
