"""Two at once: whoever is second is told so, and nothing happens twice.

Real threads on connections of their own, on both databases, let go by a barrier.
"""

import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import pytest
from django.contrib.auth.models import User
from django.db import connection, connections, models
from django.db.models.functions import Now

from jobs.lifecycle import Line, MoveRefused, add_events
from jobs.models import Job
from jobs.models.job import JobQuerySet
from jobs.services.cancel import cancel_job
from jobs.services.claim import claim_jobs
from jobs.services.errands import Errand
from jobs.services.observe import apply
from jobs.services.verify import broken_links
from reviews.models import Decision, Delivery, DeliveryAttempt, Review
from reviews.services.decide import StalePage, approve, reject
from reviews.services.recall import recall_job
from tests.house import bring_to, mailbox, seen, send_due, submit, webhook
from tests.interleavings.replies import REPLIES

pytestmark = pytest.mark.both_databases

TOGETHER = 20  # seconds to wait for the other: more means that a thread has died
Row = TypeVar("Row", bound=models.Model)
Act = Callable[[], Any]


def rounds(on_postgres: int) -> int:
    """SQLite lets one writer in at a time: there is less to race for."""
    return on_postgres if connection.vendor == "postgresql" else on_postgres // 4


def copies(row: Row, count: int, **fields: Sequence[Any]) -> list[Row]:
    """As many rows like this one, with the n-th of each of these values."""
    columns = [
        field.attname for field in row._meta.concrete_fields if field.name != "id"
    ]
    made = []
    for n in range(count):
        like = type(row)(**{column: getattr(row, column) for column in columns})
        for name, values in fields.items():
            setattr(like, name, values[n])
        made.append(like)
    return type(row)._default_manager.bulk_create(made)


def reviews_like(first: Review, count: int) -> list[Review]:
    """As many jobs as this one's, each with its result, its history and its review."""
    job, result, ids = first.job, first.result, [uuid.uuid4() for _ in range(2 * count)]
    jobs = copies(job, count, public_id=ids[:count])
    attempts = copies(
        result.attempt, count, job=jobs, uuid=ids[count:], response_id=[None] * count
    )
    results = copies(result, count, job=jobs, attempt=attempts)
    history = [
        Line(job.history, event.kind, was=event.was, became=event.became)
        for job in jobs
        for event in first.job.events.order_by("seq")
    ]
    add_events(history)
    return copies(first, count, job=jobs, result=results)


def at_once(*acts: Sequence[Act]) -> list[list[Any]]:
    """Do the n-th of each at the same time; gives what each returned or was told."""
    barrier = threading.Barrier(len(acts))

    def work(mine: Sequence[Act]) -> list[Any]:
        try:
            return [_outcome(act, barrier) for act in mine]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(acts)) as threads:
        return list(zip(*threads.map(work, acts), strict=True))


def _outcome(act: Act, barrier: threading.Barrier) -> Any:
    barrier.wait(TOGETHER)
    try:
        return act()
    except MoveRefused as refusal:
        return refusal
    except BaseException:
        barrier.abort()  # the others need not wait for us
        raise


def decides(verdict: Callable[..., Decision], review: Review, by: User) -> Act:
    """As a page would that was loaded before anybody decided."""
    page, review = seen(review), Review.objects.get(pk=review.pk)
    return partial(verdict, review, by=by, seen=page, comment="Because.")


@pytest.fixture
def waiting(transactional_db, note, shop, courier, httpserver) -> Review:
    """A review whose approval plans two deliveries."""
    httpserver.expect_request("/").respond_with_data("")
    webhook(f"http://127.0.0.1:{httpserver.port}/", note)
    mailbox("desk@example.com", note)
    return bring_to("awaiting_review", submit(shop), courier).reviews.get()


def jobs_of(reviews: list[Review]) -> Iterator[tuple[Job, list[str]]]:
    """Each job as it is now, and what became of it since it waited for its review."""
    rows = Job.objects.prefetch_related("events", "deliveries")
    found = rows.in_bulk([review.job_id for review in reviews])
    for review in reviews:
        job = found[review.job_id]
        assert broken_links(job) == []
        moves = [event.became for event in job.events.all() if event.kind == "status"]
        assert moves[:4] == ["queued", "running", "completed", "awaiting_review"]
        yield job, moves[4:]


def test_two_reviewers_decide_at_once_and_one_wins(waiting, ann, bob):
    reviews = reviews_like(waiting, rounds(200))
    pairs = [(approve, approve), (approve, reject), (reject, approve), (reject, reject)]
    turns = [pairs[n % len(pairs)] for n in range(len(reviews))]

    outcomes = at_once(
        [decides(a, r, ann) for (a, _), r in zip(turns, reviews, strict=True)],
        [decides(b, r, bob) for (_, b), r in zip(turns, reviews, strict=True)],
    )

    for (job, moves), told in zip(jobs_of(reviews), outcomes, strict=True):
        (won,) = [one for one in told if isinstance(one, Decision)]
        (lost,) = [one for one in told if isinstance(one, MoveRefused)]
        assert isinstance(lost, StalePage)
        assert f"{won.by} was first" in str(lost)
        approved = won.verdict == "approve"
        assert moves == [job.status] == ["approved" if approved else "rejected"]
        assert len(job.deliveries.all()) == (2 if approved else 0)
    assert Decision.objects.count() == len(reviews)


def test_approving_and_cancelling_at_once_one_wins(
    waiting, ann, olivia, httpserver, mailoutbox
):
    reviews = reviews_like(waiting, rounds(32))
    jobs = [Job.objects.get(pk=review.job_id) for review in reviews]

    outcomes = at_once(
        [decides(approve, review, ann) for review in reviews],
        [partial(cancel_job, job, by=olivia) for job in jobs],
    )
    while Delivery.objects.filter(status="pending").exists():
        send_due()

    delivered = []
    for (job, moves), told in zip(jobs_of(reviews), outcomes, strict=True):
        approval, cancellation = told
        if isinstance(approval, Decision):
            assert isinstance(cancellation, MoveRefused)
            assert moves == ["approved", "delivered"]
            delivered.append(str(job.public_id))
        else:
            assert isinstance(approval, StalePage)
            assert moves == [cancellation.status] == ["cancelled"]
            assert not job.deliveries.all()
    arrived = [request.json["data"]["job"]["id"] for request, _ in httpserver.log]
    assert sorted(arrived) == sorted(delivered)
    assert len(mailoutbox) == len(delivered)


@pytest.fixture
def about_to_complete(transactional_db, note, shop) -> list[Errand]:
    """Running jobs, each with the answer to its look in hand."""
    webhook("https://example.com/", note)
    count = rounds(60)
    jobs = [submit(shop) for _ in range(count)]
    for reply in ("working", "completed"):
        Job.objects.wake()
        errands = claim_jobs(count)
        for errand in errands:
            errand.reply = REPLIES[reply](errand)
        if reply == "working":
            apply(errands)
    assert len(errands) == len(jobs)
    return errands


def test_cancelling_and_completing_at_once_one_wins(about_to_complete, olivia):
    jobs = [Job.objects.get(pk=errand.job.pk) for errand in about_to_complete]

    outcomes = at_once(
        [partial(apply, [errand]) for errand in about_to_complete],
        [partial(cancel_job, job, by=olivia) for job in jobs],
    )

    for job, (applied, cancellation) in zip(jobs, outcomes, strict=True):
        assert applied == 1  # either way the answer was dealt with
        job = Job.objects.get(pk=job.pk)
        assert broken_links(job) == []
        (attempt,) = job.attempts.all()
        assert attempt.settled_at
        assert attempt.total_tokens
        assert attempt.raw.body
        assert attempt.traces.count() == 2
        assert not job.deliveries.exists()
        events = job.events.values_list("kind", "became", "actor")[2:]
        if isinstance(cancellation, MoveRefused):
            assert job.status == "awaiting_review"
            assert [became for _, became, _ in events] == ["completed", job.status]
            assert (job.results.count(), job.reviews.count()) == (1, 1)
        else:
            assert (job.status, cancellation.status) == ("cancelled", "cancelled")
            assert list(events) == [
                ("status", "cancelled", "olivia"),
                ("settled", "", "system"),
            ]
            assert not job.results.exists()
            assert not job.reviews.exists()


def test_approving_when_time_is_up_either_counts_or_is_refused(waiting, ann):
    reviews = reviews_like(waiting, rounds(32))
    jobs = [Job.objects.filter(pk=review.job_id) for review in reviews]
    jobs[0].update(wake_at=Now())

    def look_and_approve(review: Review) -> Decision:
        return approve(review, by=ann, seen=seen(review))

    def sweep_up(following: JobQuerySet) -> None:
        claim_jobs(1)
        following.update(wake_at=Now())

    quick = [decides(approve, review, ann) for review in reviews[::2]]
    slow = [partial(look_and_approve, review) for review in reviews[1::2]]
    outcomes = at_once(
        [act for pair in zip(quick, slow, strict=True) for act in pair],
        [partial(sweep_up, following) for following in [*jobs[1:], Job.objects.none()]],
    )

    for (job, moves), told in zip(jobs_of(reviews), outcomes, strict=True):
        approval, swept = told
        assert swept is None  # a row in another hand is no trouble
        won = isinstance(approval, Decision)
        assert won or isinstance(approval, StalePage)
        assert moves == ["approved" if won else "abandoned"]
        assert len(job.deliveries.all()) == (2 if won else 0)


def test_two_outboxes_at_once_send_each_delivery_once(
    waiting, ann, httpserver, mailoutbox
):
    reviews = reviews_like(waiting, rounds(16))
    for review in reviews:
        decides(approve, review, ann)()

    def send_all() -> None:
        while Delivery.objects.filter(status="pending").exists():
            send_due()

    assert at_once([send_all], [send_all]) == [(None, None)]

    ids = Counter(request.headers["webhook-id"] for request, _ in httpserver.log)
    hooks = Delivery.objects.filter(destination__kind="webhook")
    assert ids == dict.fromkeys((hook.webhook_id for hook in hooks), 1)
    assert len(mailoutbox) == len(reviews)
    assert DeliveryAttempt.objects.count() == 2 * len(reviews)
    for _, moves in jobs_of(reviews):
        assert moves == ["approved", "delivered"]


def test_recalling_and_sending_at_once_one_wins(waiting, ann, httpserver, mailoutbox):
    reviews = reviews_like(waiting, rounds(16))
    for review in reviews:
        decides(approve, review, ann)()
    jobs = [Job.objects.get(pk=review.job_id) for review in reviews]

    told = at_once(
        [partial(recall_job, job, by=ann) for job in jobs], [send_due] * len(jobs)
    )

    while Delivery.objects.filter(status="pending").exists():
        send_due()
    sent = {request.headers["webhook-id"] for request, _ in httpserver.log}
    for (job, moves), (recalled, _) in zip(jobs_of(reviews), told, strict=True):
        hook = job.deliveries.get(destination__kind="webhook")
        if isinstance(recalled, MoveRefused):
            assert (moves, hook.status) == (["approved", "delivered"], "delivered")
            assert hook.webhook_id in sent
        else:
            assert moves == ["approved", "awaiting_review"]
            assert {d.status for d in job.deliveries.all()} == {"withdrawn"}
            assert hook.webhook_id not in sent
