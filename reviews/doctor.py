"""Checks of reviews, decisions and deliveries; they join those of jobs."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from functools import partial

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Prefetch, Q, QuerySet

from jobs.doctor.checks import Found, Scope, finds, job_name, known_jobs
from jobs.kit.canonical import digest_of
from jobs.lifecycle import lock
from jobs.models import Job, JobEvent, Pause
from reviews.models import Decision, Delivery, DeliveryAttempt, Destination, Review
from reviews.services import mend
from reviews.services.rest import TOLERATED
from reviews.services.settle import OVER

Status = Job.Status
Sent = Delivery.Status
LATE = timedelta(minutes=5)  # the outbox looks twice a second; its lease is a minute
ON_ITS_WAY = [Sent.SENDING, Sent.DELIVERED, Sent.UNCERTAIN]
OPEN_REVIEW = Review.objects.filter(job=OuterRef("pk"), closed_at=None)


def _deliveries(
    scope: Scope, rows: QuerySet[Delivery], sentence: str
) -> Iterator[Found]:
    for delivery in scope.some(rows.select_related("job", "destination")):
        yield Found(name_of(delivery), sentence.format(delivery=delivery))


def name_of(delivery: Delivery) -> str:
    return f"{job_name(delivery.job)}, delivery {delivery.pk}"


# ---- reviews ---------------------------------------------------------------------


@finds("review_missing")
def review_missing(scope: Scope) -> Iterator[Found]:
    rows = Job.objects.filter(~Exists(OPEN_REVIEW), status=Status.AWAITING_REVIEW)
    for job in scope.some(rows):
        yield Found(
            job_name(job),
            "It waits for a review that is not open: it is to be opened.",
            partial(mend.open_missing_review, job),
        )


@finds("review_left_open")
def review_left_open(scope: Scope) -> Iterator[Found]:
    rows = Review.objects.open().exclude(job__status=Status.AWAITING_REVIEW)
    for review in scope.some(rows.select_related("job")):
        yield Found(
            job_name(review.job),
            f"Its review is open, but it is {review.job.status}: it is to be closed.",
            partial(mend.close_stray_review, review),
        )


@finds("review_never_due")
def review_never_due(scope: Scope) -> Iterator[Found]:
    rows = Review.objects.open().filter(
        job__status=Status.AWAITING_REVIEW, job__wake_at=None
    )
    for review in scope.some(rows.select_related("job")):
        yield Found(
            job_name(review.job),
            "Its review never comes to an end: it is to be woken when that is due.",
            partial(mend.wake_review, review),
        )


# ---- decisions and what follows from them ----------------------------------------


@finds("approved_without_deliveries")
def approved_without_deliveries(scope: Scope) -> Iterator[Found]:
    """By the requests that were decided on: destinations may have changed since."""
    planned = Delivery.objects.filter(decision=OuterRef("pk"))
    rows = Decision.objects.filter(
        ~Exists(planned),
        verdict=Decision.Verdict.APPROVE,
        content_hash=F("review__job__approved_hash"),
        review__job__status__in=[Status.APPROVED, Status.DELIVERED],
    ).exclude(request_hashes=[])
    for decision in scope.some(rows.select_related("review__job", "by")):
        yield Found(
            job_name(decision.review.job),
            f"{decision.by} approved that it be sent, and no delivery of it is there: "
            "compare it with a backup.",
        )


@finds("delivered_too_soon")
def delivered_too_soon(scope: Scope) -> Iterator[Found]:
    owed = Delivery.objects.filter(job=OuterRef("pk")).exclude(status__in=OVER)
    arrived = Delivery.objects.filter(job=OuterRef("pk"), status=Sent.DELIVERED)
    rows = Job.objects.filter(Exists(owed) | ~Exists(arrived), status=Status.DELIVERED)
    for job in scope.some(rows):
        yield Found(
            job_name(job),
            "It counts as delivered, but not all of its deliveries have arrived: "
            "look at them.",
        )


# ---- deliveries ------------------------------------------------------------------


@finds("stuck_sending")
def stuck_sending(scope: Scope) -> Iterator[Found]:
    """Its try began long ago, and the outbox is not to look at it yet."""
    tried_lately = DeliveryAttempt.objects.filter(
        delivery=OuterRef("pk"),
        number=OuterRef("tries"),
        started_at__gt=scope.now - LATE,
    )
    rows = Delivery.objects.filter(
        ~Exists(tried_lately), status=Sent.SENDING, wake_at__gt=scope.now
    )
    for delivery in scope.some(rows.select_related("job", "destination")):
        yield Found(
            name_of(delivery),
            f"Its try to reach {delivery.destination} never ended: it is to be made "
            "due.",
            partial(mend.make_due, delivery),
        )


@finds("delivery_long_due")
def delivery_long_due(scope: Scope) -> Iterator[Found]:
    """Those to a destination that is paused, or rests, wait all the same."""
    paused = set(Pause.objects.active().values_list("scope", flat=True))
    if Pause.DELIVERIES in paused:
        return iter(())
    healthy = Destination.objects.filter(failures__lt=TOLERATED)
    going = [to.pk for to in healthy if to.pause_scope not in paused]
    return _deliveries(
        scope,
        Delivery.objects.due(scope.now - LATE).filter(destination__in=going),
        "It was to be sent to {delivery.destination} at "
        "{delivery.wake_at:%d %b %H:%M} UTC, and was not: see whether a worker runs, "
        "and keeps up.",
    )


@finds("sent_unapproved")
def sent_unapproved(scope: Scope) -> Iterator[Found]:
    """Whatever left, or is leaving, without a decision that approves this content."""
    approving = Q(
        decision__verdict=Decision.Verdict.APPROVE,
        decision__content_hash=F("result__content_hash"),
        decision__review__job=F("job"),
        decision__result=F("result"),
    )
    left = Q(status__in=ON_ITS_WAY) | Q(tries__gt=0)
    known = Q(job__public_id__in=known_jobs("sent_unapproved"))
    rows = scope.part_of(Delivery.objects.order_by(), known)
    return _deliveries(
        scope,
        rows.filter(left).exclude(approving),
        "It was sent to {delivery.destination}, and no decision approves what it says: "
        "tell the receiver.",
    )


@finds("request_not_as_approved")
def request_not_as_approved(scope: Scope) -> Iterator[Found]:
    """The stored request has the hash that was decided on; erased ones have none."""
    known = Q(job__public_id__in=known_jobs("request_not_as_approved"))
    rows = scope.part_of(Delivery.objects.order_by(), known)
    for delivery in rows.select_related("job", "decision").iterator(chunk_size=500):
        if not _is_as_approved(delivery):
            yield Found(
                name_of(delivery),
                "Its request is not the one that was approved: withdraw it if it has "
                "not left, else tell the receiver.",
            )


def _is_as_approved(delivery: Delivery) -> bool:
    if delivery.request_hash not in delivery.decision.request_hashes:
        return False
    if not delivery.request:
        return True
    try:
        stored = json.loads(delivery.request)
    except ValueError:
        return False
    digest = digest_of([delivery.destination_version_id, stored])
    return digest == delivery.request_hash


@finds("deliveries_not_as_told")
def deliveries_not_as_told(scope: Scope) -> Iterator[Found]:
    """The events of a job's deliveries end at the statuses that these have."""
    known = Q(public_id__in=known_jobs("deliveries_not_as_told"))
    rows = scope.part_of(Job.objects.order_by(), known)
    rows = rows.exclude(approved_hash="").prefetch_related(
        Prefetch("deliveries", Delivery.objects.only("job", "status")),
        Prefetch("events", JobEvent.objects.filter(kind=Delivery.EVENT_KIND)),
    )
    for suspect in rows.iterator(chunk_size=500):
        if _stored(suspect) == _told(suspect):
            continue
        # One may have moved between the questions: while its job is locked none does.
        with transaction.atomic():
            (job,) = lock(Job.objects.filter(pk=suspect.pk))
            stored, told = _stored(job), _told(job)
        if stored != told:
            yield Found(
                job_name(job),
                f"Its deliveries are {_said(stored)}, but its history ends at "
                f"{_said(told)}: somebody wrote the rows by hand.",
            )


def _stored(job: Job) -> Counter[str]:
    """How many deliveries of this job are in each status."""
    return Counter(delivery.status for delivery in job.deliveries.all())


def _told(job: Job) -> Counter[str]:
    """The same, by what the events say."""
    count: Counter[str] = Counter()
    for event in job.events.all():
        if event.kind == Delivery.EVENT_KIND:
            count[event.became] += 1
            count[event.was] -= bool(event.was)
    return Counter({status: n for status, n in count.items() if n})


def _said(count: Counter[str]) -> str:
    return ", ".join(f"{n} {status}" for status, n in sorted(count.items())) or "none"
