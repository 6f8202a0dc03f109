"""The outbox: what was approved goes out as approved, once, and to nobody else."""

import hashlib
import json
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from email import message_from_bytes
from email.policy import SMTP
from typing import Any

import pytest
import time_machine
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from standardwebhooks.webhooks import Webhook
from werkzeug import Request, Response

from jobs import pulse
from jobs.explain import explain
from jobs.kit.canonical import digest_of
from jobs.models import Job, Pause, Result, Sweep
from jobs.services.verify import broken_links
from reviews.delivery import email
from reviews.delivery import webhook as hooks
from reviews.delivery.answer import Answer
from reviews.delivery.failures import FailureClass, Outcome
from reviews.delivery.retries import next_send_at
from reviews.models import (
    Decision,
    Delivery,
    DeliveryAttempt,
    Destination,
    DestinationVersion,
)
from reviews.outbox import LIFE, outbox
from reviews.services.decide import approve, reject
from reviews.services.requests import draft_requests
from reviews.services.sending import LEASE, claim_deliveries, record
from tests.house import (
    PATIENCE,
    SECRET,
    bring_to,
    job_type,
    mailbox,
    receiver,
    seen,
    send_due,
    submit,
    webhook,
)

A_MONTH = timedelta(days=30)
LAST_TRY = 10
TEAMS = {
    "type": "object",
    "properties": {"team": {"type": "string"}, "members": {"type": "integer"}},
    "required": ["team", "members"],
    "additionalProperties": False,
}


@pytest.fixture
def at(httpserver) -> str:
    """Where our receiver listens."""
    return f"http://127.0.0.1:{httpserver.port}"


@pytest.fixture
def desk(note, httpserver, at) -> Destination:
    """A receiver that takes what it gets."""
    httpserver.expect_request("/desk").respond_with_data("thanks")
    return webhook(f"{at}/desk", note)


@pytest.fixture
def inbox(note) -> Destination:
    return mailbox("desk@example.com, boss@example.com", note)


@pytest.fixture
def approval(review, ann) -> Decision:
    """Ann says yes; name it after the destinations that are to get it."""
    return approve(review, by=ann, seen=seen(review), comment="Checked.")


def received(httpserver: Any) -> list[Request]:
    return [request for request, _ in httpserver.log]


def only_delivery(**fields: Any) -> Delivery:
    return Delivery.objects.get(**fields)


def send_when_due(delivery: Delivery) -> None:
    """The next turn after the time that this delivery waits for."""
    delivery.refresh_from_db()
    with time_machine.travel(delivery.wake_at + timedelta(seconds=1)):
        send_due()
    delivery.refresh_from_db()


def notes(delivery: Delivery) -> list[str]:
    """What the history says of deliveries, after they were planned."""
    events = delivery.job.events.filter(kind="delivery").exclude(was="")
    return [event.note for event in events.order_by("seq")]


# ---- the very bytes, signed ------------------------------------------------------


def test_what_is_sent_is_what_was_stored_and_approved(desk, approval, httpserver):
    stored = only_delivery().request

    send_due()

    (request,) = received(httpserver)
    kept = json.loads(stored)
    assert request.data == kept["body"].encode()
    assert (request.method, request.url) == (kept["method"], kept["url"])
    arrived = {name: request.headers[name] for name in kept["headers"]}
    assert arrived == kept["headers"]
    delivery = only_delivery()
    assert delivery.request == stored
    assert approval.request_hashes == [delivery.request_hash]


def test_a_receiver_can_verify_the_signature(desk, approval, httpserver):
    send_due()

    (request,) = received(httpserver)
    said = Webhook(SECRET).verify(request.data, dict(request.headers))
    assert said["type"] == "job.approved"
    assert request.headers["webhook-id"] == only_delivery().webhook_id


def test_the_body_is_the_contract(note, shop, ann, courier, desk, httpserver):
    job = submit(shop, title="Größe", metadata={"order": "4711"})
    review = bring_to("awaiting_review", job, courier).reviews.get()
    decision = approve(review, by=ann, seen=seen(review))

    send_due()

    (request,) = received(httpserver)
    when = decision.at.isoformat()
    assert request.json == {
        "type": "job.approved",
        "timestamp": when,
        "data": {
            "job": {
                "id": str(job.public_id),
                "type": "note",
                "version": 1,
                "title": "Größe",
                "metadata": {"order": "4711"},
            },
            "result_version": 1,
            "content": review.result.content,
            "content_sha256": review.result.content_hash,
            "decision": {"by": "ann", "at": when},
        },
    }


@pytest.mark.parametrize("schema", [None, TEAMS], ids=["text", "structured"])
def test_a_receiver_can_recompute_the_hash_of_the_content(
    shop, ann, courier, httpserver, at, schema
):
    httpserver.expect_request("/desk").respond_with_data("")
    webhook(f"{at}/desk", job_type(output_schema=schema))
    job = submit(shop, "Team: Größe & Söhne “West”\nMembers: 12")
    review = bring_to("awaiting_review", job, courier).reviews.get()
    approve(review, by=ann, seen=seen(review))

    send_due()

    (request,) = received(httpserver)
    data = request.json["data"]
    assert isinstance(data["content"], dict if schema else str)
    canonical = json.dumps(
        data["content"], sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    assert hashlib.sha256(canonical.encode()).hexdigest() == data["content_sha256"]


def test_headers_of_the_destination_go_along_except_those_that_are_ours(
    note, review, ann, httpserver, at
):
    desk = webhook(f"{at}/desk", note)
    own = {
        "X-Team": "support",
        "Host": "else",
        "Content-Length": "1",
        "USER-AGENT": "x",
    }
    DestinationVersion(destination=desk, address=f"{at}/desk", headers=own).save()
    httpserver.expect_request("/desk").respond_with_data("")
    approve(review, by=ann, seen=seen(review))

    send_due()

    (request,) = received(httpserver)
    assert request.headers["X-Team"] == "support"
    assert request.headers["Host"] == at.removeprefix("http://")
    assert request.headers["User-Agent"] == "bgreview"
    assert json.loads(request.data)["type"] == "job.approved"


# ---- arriving --------------------------------------------------------------------


def test_a_job_is_delivered_when_its_delivery_has_arrived(desk, approval):
    send_due()

    delivery, attempt = only_delivery(), DeliveryAttempt.objects.get()
    assert (delivery.status, delivery.tries, delivery.wake_at) == ("delivered", 1, None)
    assert (attempt.number, attempt.http_status) == (1, 200)
    assert (attempt.answer, attempt.outcome) == ("thanks", "HTTP 200")
    assert attempt.ended_at is not None
    job = Job.objects.get()
    assert job.status == "delivered"
    assert job.approved_hash == approval.content_hash
    assert broken_links(job) == []


def test_a_job_is_delivered_only_when_all_its_deliveries_are(
    note, desk, inbox, review, ann, httpserver, at
):
    late = webhook(f"{at}/late", note, name="late")
    httpserver.expect_oneshot_request("/late").respond_with_data(status=503)
    httpserver.expect_request("/late").respond_with_data("")
    approve(review, by=ann, seen=seen(review))

    send_due()
    statuses = dict(Delivery.objects.values_list("destination__name", "status"))
    assert statuses == {"desk": "delivered", "mail": "delivered", "late": "pending"}
    assert Job.objects.get().status == "approved"

    send_when_due(only_delivery(destination=late))
    assert Job.objects.get().status == "delivered"


def test_a_job_with_a_failed_delivery_stays_approved(
    note, desk, review, ann, httpserver, at
):
    webhook(f"{at}/gone", note, name="gone")
    httpserver.expect_request("/gone").respond_with_data(status=410)
    approve(review, by=ann, seen=seen(review))

    send_due()

    statuses = dict(Delivery.objects.values_list("destination__name", "status"))
    assert statuses == {"desk": "delivered", "gone": "failed"}
    assert Job.objects.get().status == "approved"


def test_what_has_arrived_is_not_sent_again(
    desk, inbox, approval, httpserver, mailoutbox
):
    send_due()
    with time_machine.travel(timezone.now() + A_MONTH):
        send_due()

    assert len(httpserver.log) == len(mailoutbox) == 1


# ---- trying again ----------------------------------------------------------------


def test_every_try_has_the_same_bytes_and_id_and_a_fresh_signature(
    desk, approval, httpserver
):
    httpserver.clear()
    for status in (500, 429, 200):
        httpserver.expect_ordered_request("/desk").respond_with_data(status=status)
    arrived: list[Any] = []
    delivery = only_delivery()

    for _ in range(3):
        with time_machine.travel(delivery.wake_at + timedelta(seconds=1)):
            send_due()
            request = received(httpserver)[-1]
            arrived.append(Webhook(SECRET).verify(request.data, dict(request.headers)))
        delivery.refresh_from_db()

    first, second, third = received(httpserver)
    assert first.data == second.data == third.data
    ids = {request.headers["webhook-id"] for request in (first, second, third)}
    assert ids == {delivery.webhook_id}
    times = [
        int(request.headers["webhook-timestamp"]) for request in (first, second, third)
    ]
    assert times == sorted(set(times))
    assert (delivery.status, delivery.tries) == ("delivered", 3)
    statuses = delivery.attempts.values_list("number", "http_status")
    assert list(statuses) == [(1, 500), (2, 429), (3, 200)]


def test_a_retry_after_is_kept(desk, approval, httpserver):
    httpserver.clear()
    asks = {"Retry-After": "7200"}
    httpserver.expect_request("/desk").respond_with_data(status=429, headers=asks)
    send_due()

    delivery = only_delivery()
    assert delivery.status == "pending"
    assert delivery.wake_at >= delivery.attempts.get().ended_at + timedelta(hours=2)
    assert notes(delivery)[-1] == (
        f"HTTP 429 Tried again at {delivery.wake_at:%H:%M:%S} UTC."
    )


DATE = "Fri, 31 Dec 2049 23:59:59 GMT"


@pytest.mark.parametrize(
    "asked",
    ["inf", "nan", "1e308", "-1e308", "-5", "", "soon", "9" * 400, DATE],
)
def test_an_absurd_retry_after_harms_nobody(httpserver, at, asked):
    asks = {"Retry-After": asked}
    httpserver.expect_request("/desk").respond_with_data(status=503, headers=asks)
    answer, now = post(f"{at}/desk"), timezone.now()

    again_at = next_send_at(1, now=now, retry_after=answer.retry_after, dice=lambda: 0)

    assert timedelta(seconds=5) <= again_at - now <= timedelta(hours=24)


def test_tries_go_on_for_about_three_days_and_then_end():
    now = began = timezone.now()
    tries = 1
    while again_at := next_send_at(tries, now=now, retry_after=None, dice=lambda: 0.5):
        now, tries = again_at, tries + 1

    assert timedelta(days=3) <= now - began <= timedelta(days=4)
    assert tries == LAST_TRY


def test_what_failed_at_its_last_try_is_given_up(desk, approval, httpserver):
    httpserver.clear()
    httpserver.expect_request("/desk").respond_with_data(status=502)
    Delivery.objects.update(tries=LAST_TRY - 2)

    send_due()
    assert (only_delivery().status, only_delivery().tries) == ("pending", LAST_TRY - 1)

    send_when_due(only_delivery())
    assert (only_delivery().status, only_delivery().tries) == ("failed", LAST_TRY)
    assert Job.objects.get().status == "approved"


def test_the_waits_are_spread_so_that_many_do_not_come_back_together():
    now = timezone.now()
    early, late = (
        next_send_at(3, now=now, retry_after=None, dice=lambda n=n: n)
        for n in (0, 0.99)
    )
    assert now < early < late < now + timedelta(hours=1)


# ---- what a status means ---------------------------------------------------------

WHAT_FOLLOWS = {
    Outcome.DELIVERED: [200, 201, 202, 204],
    Outcome.AGAIN: [408, 425, 429, 500, 502, 503, 504, 599],
    Outcome.FAILED: [
        *(300, 301, 302, 303, 304, 307, 308),
        *(400, 401, 403, 404, 405, 409, 410, 413, 415, 422, 451),
    ],
}


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(status, outcome) for outcome, many in WHAT_FOLLOWS.items() for status in many],
)
def test_a_status_is_delivery_or_worth_another_try_or_the_end(
    httpserver, at, status, outcome
):
    httpserver.expect_request("/desk").respond_with_data(status=status)
    answer = post(f"{at}/desk")
    assert (answer.outcome, answer.http_status) == (outcome, status)


def post(url: str) -> Answer:
    request = {"method": "POST", "url": url, "headers": {}, "body": "{}"}
    return hooks.send_webhook(request, webhook_id="msg_1", secret=SECRET)


@pytest.mark.parametrize("status", [302, 404])
def test_what_will_not_change_fails_at_once_and_leads_nowhere_else(
    desk, approval, httpserver, at, status
):
    httpserver.clear()
    elsewhere = {"Location": f"{at}/elsewhere"}
    httpserver.expect_request("/desk").respond_with_data(
        status=status, headers=elsewhere
    )
    send_due()

    delivery = only_delivery()
    assert (delivery.status, delivery.tries) == ("failed", 1)
    assert [request.path for request in received(httpserver)] == ["/desk"]
    assert Job.objects.get().status == "approved"


@contextmanager
def listening(*, backlog: int | None) -> Iterator[str]:
    """A port of ours: one that nobody answers, or one that refuses (no backlog)."""
    with socket.socket() as port:
        port.bind(("127.0.0.1", 0))
        if backlog is not None:
            port.listen(backlog)
        yield f"http://127.0.0.1:{port.getsockname()[1]}/"


@pytest.mark.parametrize(
    ("backlog", "why"), [(5, "No answer within"), (None, "Connection refused")]
)
def test_who_cannot_be_reached_is_tried_again(
    note, review, ann, monkeypatch, backlog, why
):
    monkeypatch.setattr(hooks, "PATIENCE", 0.2)
    with listening(backlog=backlog) as url:
        webhook(url, note)
        approve(review, by=ann, seen=seen(review))
        send_due()

    delivery = only_delivery()
    assert (delivery.status, delivery.tries) == ("pending", 1)
    assert why in delivery.attempts.get().outcome
    assert Job.objects.get().status == "approved"


# ---- when we die between sending and noting --------------------------------------


def test_what_is_being_sent_is_left_alone_for_as_long_as_a_try_may_take(
    desk, inbox, approval
):
    assert len(claim_deliveries(8)) == 2
    longest = timedelta(seconds=hooks.CONNECT + 2 * hooks.PATIENCE)
    with time_machine.travel(timezone.now() + longest):
        assert claim_deliveries(8) == []


def test_a_webhook_that_was_cut_short_is_sent_again_under_its_id(
    desk, approval, httpserver
):
    (parcel,) = claim_deliveries(8)
    parcel.send()  # and we die, before anything is noted

    send_when_due(parcel.delivery)

    first, second = received(httpserver)
    assert first.data == second.data
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    delivery = only_delivery()
    assert (delivery.status, delivery.tries) == ("delivered", 2)
    assert "same id" in " ".join(notes(delivery))
    assert Job.objects.get().status == "delivered"
    assert broken_links(Job.objects.get()) == []


def test_a_mail_that_was_cut_short_waits_for_a_person(inbox, approval, mailoutbox):
    (parcel,) = claim_deliveries(8)
    parcel.send()

    send_when_due(parcel.delivery)

    delivery = only_delivery()
    assert (delivery.status, delivery.tries, delivery.wake_at) == ("uncertain", 1, None)
    assert "look whether it arrived" in notes(delivery)[-1]
    assert len(mailoutbox) == 1
    assert Job.objects.get().status == "approved"
    with time_machine.travel(timezone.now() + A_MONTH):
        send_due()
    assert len(mailoutbox) == 1


@pytest.mark.parametrize("late", [None, *FailureClass])
def test_a_late_answer_of_an_earlier_try_moves_nothing(desk, approval, late):
    (first,) = claim_deliveries(8)
    with time_machine.travel(timezone.now() + 2 * LEASE):
        (second,) = claim_deliveries(8)
        record(first, Answer("It took its time.", late, http_status=404), 90_000)
        assert only_delivery().status == "sending"
        record(second, Answer("HTTP 200", http_status=200), 5)

    assert only_delivery().status == "delivered"
    outcomes = DeliveryAttempt.objects.order_by("number").values_list("outcome")
    assert [why for (why,) in outcomes] == ["It took its time.", "HTTP 200"]


# ---- the gate --------------------------------------------------------------------


def edit(request: str) -> str:
    return request.replace("job.approved", "job.improved")


def change_the_request(delivery: Delivery) -> None:
    Delivery.objects.update(request=edit(delivery.request))


def change_the_request_and_its_hash(delivery: Delivery) -> None:
    request = edit(delivery.request)
    parts = [delivery.destination_version_id, json.loads(request)]
    Delivery.objects.update(request=request, request_hash=digest_of(parts))


def garble_the_request(delivery: Delivery) -> None:
    Delivery.objects.filter(pk=delivery.pk).update(request="{")


def empty_the_request(delivery: Delivery) -> None:
    Delivery.objects.update(request="")


def number_the_request(delivery: Delivery) -> None:
    Delivery.objects.update(request="NaN")


def swap_the_result(delivery: Delivery) -> None:
    Result.objects.update(content_hash="0" * 64)


def swap_the_approval(delivery: Delivery) -> None:
    Job.objects.update(approved_hash="0" * 64)


def move_the_destination(delivery: Delivery) -> None:
    address = delivery.destination_version.address
    DestinationVersion(destination=delivery.destination, address=address).save()


def readdress(delivery: Delivery) -> None:
    address = delivery.destination_version.address
    other = webhook(address, name="other")
    Delivery.objects.update(destination=other)


def switch_off(delivery: Delivery) -> None:
    Destination.objects.update(is_active=False)


def recall(delivery: Delivery) -> None:
    wake_at = timezone.now() + timedelta(hours=1)
    Job.objects.get().move(Job.Status.AWAITING_REVIEW, wake_at=wake_at)


TAMPERED = "The stored request is not the one that was approved."
SWAPPED = "The result is not the one that was approved."


@pytest.mark.parametrize(
    ("meddle", "why"),
    [
        (change_the_request, TAMPERED),
        (change_the_request_and_its_hash, TAMPERED),
        (garble_the_request, TAMPERED),
        (empty_the_request, TAMPERED),
        (number_the_request, TAMPERED),
        (swap_the_result, SWAPPED),
        (swap_the_approval, SWAPPED),
        (move_the_destination, "desk was changed since the approval."),
        (readdress, "other was changed since the approval."),
        (switch_off, "desk was switched off."),
        (recall, "The job is awaiting review, not approved."),
    ],
)
def test_what_is_not_what_was_approved_is_refused(
    desk, approval, httpserver, meddle, why
):
    meddle(only_delivery())

    send_due()

    delivery = only_delivery()
    assert (delivery.status, delivery.tries) == ("refused", 0)
    assert notes(delivery) == [why]
    assert httpserver.log == []
    with time_machine.travel(timezone.now() + A_MONTH):
        send_due()
    assert httpserver.log == []
    assert Job.objects.get().status != "delivered"


def test_a_rejection_delivers_nothing_even_with_a_forged_delivery(
    note, desk, shop, ann, bob, courier, httpserver, review
):
    approve(review, by=ann, seen=seen(review))
    forged = only_delivery()
    other = bring_to("awaiting_review", submit(shop), courier).reviews.get()
    rejection = reject(other, by=bob, seen=seen(other), comment="No.")
    Delivery.objects.update(decision=rejection, job=other.job, result=other.result)

    send_due()

    forged.refresh_from_db()
    assert forged.status == "refused"
    assert httpserver.log == []
    assert Job.objects.get(pk=other.job_id).status == "rejected"


def test_what_is_refused_does_not_hold_up_the_others(
    desk, inbox, approval, httpserver, mailoutbox
):
    garble_the_request(only_delivery(destination=inbox))

    send_due()

    statuses = dict(Delivery.objects.values_list("destination__name", "status"))
    assert statuses == {"desk": "delivered", "mail": "refused"}
    assert (len(httpserver.log), len(mailoutbox)) == (1, 0)


def test_deliveries_wait_while_they_are_paused(desk, approval, httpserver):
    pause = {"reason": "person", "actor": "olivia", "began_at": timezone.now()}
    Pause.objects.create(scope=Pause.STARTS, **pause)
    hold = Pause.objects.create(scope=Pause.DELIVERIES, **pause)

    send_due()
    assert httpserver.log == []
    assert only_delivery().status == "pending"

    Pause.objects.filter(pk=hold.pk).update(ended_at=timezone.now())
    send_due()
    assert only_delivery().status == "delivered"


BEFORE_IT_IS_DEAD = [[], ["sending"]] + [
    ["sending", end] for end in ("delivered", "failed", "uncertain")
]


@pytest.mark.parametrize(
    ("paths", "another_may"),
    [(BEFORE_IT_IS_DEAD, False), ([["refused"], ["withdrawn"]], True)],
    ids=["live", "dead"],
)
def test_a_result_has_one_live_delivery_for_each_destination(
    desk, approval, paths, another_may
):
    for path in paths:
        with transaction.atomic():
            delivery = only_delivery()
            for status in path:
                delivery.move(status)
            assert can_be_planned_again(delivery) == another_may
            transaction.set_rollback(True)


def can_be_planned_again(delivery: Delivery) -> bool:
    same = ("job", "result", "decision", "destination", "destination_version")
    parts = {name: getattr(delivery, name) for name in same}
    now = timezone.now()
    try:
        with transaction.atomic():
            Delivery.objects.create(
                **parts, request="", request_hash="", created_at=now, wake_at=now
            )
    except IntegrityError:
        return False
    return True


# ---- one hurts no other ----------------------------------------------------------


def test_a_slow_receiver_delays_nobody(
    transactional_db, note, review, ann, httpserver, at, monkeypatch
):
    """The slow one answers once the quick one has got its own: together, or never."""
    monkeypatch.setattr(hooks, "PATIENCE", 5.0)
    monkeypatch.setattr(pulse, "EVERY", 0)
    quick_has_it = threading.Event()

    def be_quick(request: Request) -> Response:
        quick_has_it.set()
        return end_the_outbox(request)

    def be_slow(caller: socket.socket) -> None:
        caller.recv(65_536)
        quick_has_it.wait(PATIENCE)
        caller.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    httpserver.expect_request("/quick").respond_with_handler(be_quick)
    with receiver(be_slow) as url:
        slow = webhook(url, note, name="slow")
        webhook(f"{at}/quick", note, name="quick")
        approve(review, by=ann, seen=seen(review))
        an_hour_ago = timezone.now() - timedelta(hours=1)
        Delivery.objects.filter(destination=slow).update(wake_at=an_hour_ago)

        outbox()

    statuses = dict(Delivery.objects.values_list("destination__name", "status"))
    assert statuses == {"slow": "delivered", "quick": "delivered"}
    assert Job.objects.get().status == "delivered"


def end_the_outbox(request: Request) -> Response:
    """A receiver that thanks, and tells the outbox to stop."""
    Sweep.objects.filter(lane=Sweep.OUTBOX).update(ended_at=timezone.now())
    connection.close()
    return Response("thanks")


UNSENDABLE = [
    {"X-Team": "a\r\nX-Evil: b"},
    {"X-Team": "a\nX-Evil: b"},
    {"X Team": "a"},
    {"": "a"},
    {"X-Team": 5},
    {"X-Team": "Größe"},
]
UNSIGNABLE = ["", "whsec_", "whsec_not base64", "whsec_ö"]


def test_what_cannot_be_sent_fails_and_hurts_nobody(
    note, review, ann, httpserver, at, caplog
):
    """Whatever a manager managed to store: the others go out all the same."""
    for n, headers in enumerate(UNSENDABLE):
        odd = webhook(f"{at}/odd", note, name=f"headers {n}")
        DestinationVersion(destination=odd, address=f"{at}/odd", headers=headers).save()
    for n, secret in enumerate(UNSIGNABLE):
        odd = webhook(f"{at}/odd", note, name=f"secret {n}")
        Destination.objects.filter(pk=odd.pk).update(secret=secret)
    httpserver.expect_request("/desk").respond_with_data("")
    webhook(f"{at}/desk", note)
    approve(review, by=ann, seen=seen(review))

    send_due()

    assert [request.path for request in received(httpserver)] == ["/desk"]
    statuses = dict(Delivery.objects.values_list("destination__name", "status"))
    assert statuses.pop("desk") == "delivered"
    assert set(statuses.values()) == {"failed"}
    assert len(statuses) == len(UNSENDABLE) + len(UNSIGNABLE)
    assert not DeliveryAttempt.objects.filter(outcome="").exists()
    assert "Größe" not in caplog.text  # headers may hold credentials


# ---- mail ------------------------------------------------------------------------


def test_a_mail_says_exactly_what_was_approved(
    note, inbox, shop, ann, courier, mailoutbox, settings
):
    job = submit(shop, title="Answer to Größe & Söhne")
    review = bring_to("awaiting_review", job, courier).reviews.get()
    decision = approve(review, by=ann, seen=seen(review))

    send_due()

    (mail,) = mailoutbox
    assert mail.subject == "Answer to Größe & Söhne"
    assert mail.body == (
        f"{review.result.content}\n\n-- \n"
        f"Approved by ann at {decision.at.isoformat()}.\n"
        f"Job {job.public_id}, version 1, SHA-256 {review.result.content_hash}.\n"
    )
    assert mail.recipients() == ["desk@example.com", "boss@example.com"]
    assert mail.from_email == settings.DEFAULT_FROM_EMAIL
    message_id = f"<{only_delivery().webhook_id}@{settings.INSTANCE_ID}>"
    assert mail.message()["Message-ID"] == message_id
    assert Job.objects.get().status == "delivered"


def test_a_title_cannot_add_headers(inbox, review, mailoutbox):
    titles = [
        "Hi\r\nBcc: eve@example.com",
        "Hi\nBcc: eve@example.com\n\nHello",
        "Hi\rBcc: eve@example.com",
        "Hi\N{LINE SEPARATOR}Bcc: eve@example.com",
        "Hi\v\f\x1c\x85Bcc: eve@example.com",
        "=?utf-8?q?Hi=0D=0ABcc:_eve@example.com?=",
        "Grüße " + 30 * "und Küsse " + "\r\nBcc: eve@example.com",
    ]
    for title in titles:
        review.result.job.title = title
        (request,) = draft_requests(review.result)
        answer = email.send_email(request.shown, webhook_id="msg_1")
        assert answer.outcome is Outcome.DELIVERED

    assert len(mailoutbox) == len(titles)
    for mail in mailoutbox:
        sent = message_from_bytes(mail.message().as_bytes(), policy=SMTP)
        assert mail.recipients() == ["desk@example.com", "boss@example.com"]
        assert (sent["Bcc"], len(sent.get_all("Subject"))) == (None, 1)
        assert sent.get_content().startswith(review.result.content)


def test_an_address_cannot_add_headers(note, review, ann, mailoutbox):
    mailbox("desk@example.com\r\nBcc: eve@example.com", note)
    approve(review, by=ann, seen=seen(review))

    send_due()

    assert only_delivery().status == "failed"
    assert mailoutbox == []


class Postbox(socketserver.ThreadingTCPServer):
    """Speaks as much SMTP as is needed, and keeps what it takes."""

    daemon_threads = True

    def __init__(self, to_recipients: str) -> None:
        super().__init__(("127.0.0.1", 0), Letter)
        self.to_recipients, self.letters = to_recipients, []
        self.hangs_up = False


class Letter(socketserver.StreamRequestHandler):
    server: Postbox

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        for line in self.rfile:
            verb = line[:4].upper()
            answer = "250 fine"
            if verb == b"RCPT":
                answer = self.server.to_recipients
            if verb == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                lines = iter(self.rfile.readline, b".\r\n")
                self.server.letters.append(b"".join(lines))
                if self.server.hangs_up:
                    return
            self.wfile.write(f"{answer}\r\n".encode())
            if verb == b"QUIT":
                return


@pytest.fixture
def postbox(settings) -> Iterator[Callable[[str], Postbox]]:
    """Start a mail server that answers so to each recipient."""
    open_now = []

    def start(to_recipients: str = "250 fine") -> Postbox:
        server = Postbox(to_recipients)
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        open_now.append(server)
        settings.EMAIL_BACKEND = email.SMTP
        settings.EMAIL_HOST, settings.EMAIL_PORT = server.server_address
        return server

    yield start
    for server in open_now:
        server.shutdown()
        server.server_close()


def test_a_mail_travels_over_smtp_as_it_was_stored(inbox, approval, postbox):
    server = postbox()

    send_due()

    (letter,) = server.letters
    sent, stored = message_from_bytes(letter, policy=SMTP), only_delivery().request
    assert sent.get_content().replace("\r\n", "\n") == json.loads(stored)["text"]
    assert sent["Subject"] == json.loads(stored)["subject"]
    assert only_delivery().status == "delivered"


def test_a_mail_whose_receipt_was_lost_waits_for_a_person(inbox, approval, postbox):
    server = postbox()
    server.hangs_up = True

    send_due()
    send_due()

    assert len(server.letters) == 1
    assert (only_delivery().status, only_delivery().wake_at) == ("uncertain", None)
    assert "It may have gone" in explain(Job.objects.get()).sentence


@pytest.mark.parametrize(
    ("answer", "status"),
    [("450 greylisted, come back", "pending"), ("550 no such user", "failed")],
)
def test_a_recipient_who_is_refused_for_now_is_tried_again(
    inbox, approval, postbox, answer, status
):
    server = postbox(answer)

    send_due()

    assert only_delivery().status == status
    assert answer[4:] in only_delivery().attempts.get().outcome
    assert server.letters == []


def be_silent_for_a_while(caller: socket.socket) -> None:
    caller.settimeout(2)
    caller.recv(1)


def test_a_mail_server_that_says_nothing_is_tried_again(
    inbox, approval, settings, monkeypatch
):
    monkeypatch.setattr(email, "PATIENCE", 0.2)
    with receiver(be_silent_for_a_while) as url:
        settings.EMAIL_BACKEND, settings.EMAIL_HOST = email.SMTP, "127.0.0.1"
        settings.EMAIL_PORT = int(url.strip("/").rpartition(":")[2])
        send_due()

    assert (only_delivery().status, only_delivery().tries) == ("pending", 1)
    assert "timed out" in only_delivery().attempts.get().outcome


def test_a_mail_server_that_is_down_is_tried_again(inbox, approval, settings):
    with listening(backlog=None) as url:
        settings.EMAIL_BACKEND, settings.EMAIL_HOST = email.SMTP, "127.0.0.1"
        settings.EMAIL_PORT = int(url.strip("/").rpartition(":")[2])
        send_due()

    assert (only_delivery().status, only_delivery().tries) == ("pending", 1)


def test_sandbox_results_are_not_mailed_to_other_machines(
    inbox, approval, settings, monkeypatch
):
    settings.EMAIL_BACKEND, settings.EMAIL_HOST = email.SMTP, "mail.example.com"
    asked: list[Any] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **_: asked.append(args))

    send_due()

    assert only_delivery().status == "failed"
    assert "loopback only" in only_delivery().attempts.get().outcome
    assert asked == []


# ---- the task itself -------------------------------------------------------------


def test_the_outbox_sends_until_its_row_is_ended(
    transactional_db, note, review, ann, httpserver, at, monkeypatch
):
    monkeypatch.setattr(pulse, "EVERY", 0)
    httpserver.expect_request("/desk").respond_with_handler(end_the_outbox)
    webhook(f"{at}/desk", note)
    approve(review, by=ann, seen=seen(review))

    assert outbox() == {"handled": 1}

    row = Sweep.objects.get()
    assert (row.lane, row.handled) == (Sweep.OUTBOX, 1)
    assert row.ended_at <= row.beat_at < row.started_at + LIFE / 2
    assert Job.objects.get().status == "delivered"
    assert len(httpserver.log) == 1


def test_an_outbox_that_waited_too_long_leaves_the_work_to_younger_ones(
    desk, approval, httpserver
):
    intended = timezone.now() - timedelta(minutes=2)

    assert outbox(intended.isoformat()) == {"skipped": 1}

    assert not Sweep.objects.exists()
    assert httpserver.log == []
