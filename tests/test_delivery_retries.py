"""Deliveries that do not arrive: what is tried again, for how long, and what is not."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone
from standardwebhooks.webhooks import Webhook

from jobs.models import Job
from jobs.services.verify import broken_links
from reviews.delivery import webhook as hooks
from reviews.delivery.answer import Answer
from reviews.delivery.failures import FailureClass, Outcome
from reviews.delivery.retries import next_send_at
from reviews.models import (
    Delivery,
    DeliveryAttempt,
)
from reviews.services.decide import approve
from reviews.services.sending import LEASE, claim_deliveries, record
from tests.deliveries import (
    A_MONTH,
    listening,
    notes,
    only_delivery,
    received,
    send_when_due,
)
from tests.house import (
    SECRET,
    seen,
    send_due,
    webhook,
)

LAST_TRY = 10
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
        f"HTTP 429. Tried again at {delivery.wake_at:%H:%M:%S} UTC."
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
    return hooks.send_webhook(request, webhook_id="msg_1", secrets=[SECRET])


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
