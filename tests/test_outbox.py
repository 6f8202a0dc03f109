"""The outbox: what was approved goes out as approved, once, and to nobody else."""

import hashlib
import json
import socket
import threading
from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.utils import timezone
from standardwebhooks.webhooks import Webhook
from werkzeug import Request, Response

from jobs import pulse
from jobs.models import Job, Sweep
from jobs.services.verify import broken_links
from reviews.delivery import webhook as hooks
from reviews.models import (
    Delivery,
    DeliveryAttempt,
    Destination,
    DestinationVersion,
)
from reviews.outbox import LIFE, outbox
from reviews.services.decide import approve
from tests.deliveries import A_MONTH, only_delivery, received, send_when_due
from tests.house import (
    PATIENCE,
    SECRET,
    bring_to,
    job_type,
    receiver,
    seen,
    send_due,
    submit,
    webhook,
)

TEAMS = {
    "type": "object",
    "properties": {"team": {"type": "string"}, "members": {"type": "integer"}},
    "required": ["team", "members"],
    "additionalProperties": False,
}


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
            "decision": {"id": decision.reference, "by": "ann", "at": when},
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


# ---- one hurts no other ----------------------------------------------------------


def test_a_slow_receiver_delays_nobody(
    transactional_db, note, shop, ann, courier, httpserver, at, monkeypatch
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
        review = bring_to("awaiting_review", submit(shop), courier).reviews.get()
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


# ---- the task itself -------------------------------------------------------------


def test_the_outbox_sends_until_its_row_is_ended(
    transactional_db, note, shop, ann, courier, httpserver, at, monkeypatch
):
    monkeypatch.setattr(pulse, "EVERY", 0)
    httpserver.expect_request("/desk").respond_with_handler(end_the_outbox)
    webhook(f"{at}/desk", note)
    review = bring_to("awaiting_review", submit(shop), courier).reviews.get()
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
