"""Failure classes of deliveries: one table, and each is told with a way on."""

import ssl
from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from jobs.explain import explain
from jobs.models import Job
from jobs.services.verify import broken_links
from reviews.delivery import webhook as hooks
from reviews.delivery.answer import Answer
from reviews.delivery.failures import (
    DEATHS,
    RULES,
    FailureClass,
    Outcome,
    advice_on,
    class_of_refusals,
    class_of_reply,
    class_of_status,
)
from reviews.delivery.smtp import RememberingBackend, RememberingSSL
from reviews.models import (
    Delivery,
    DeliveryAttempt,
    Destination,
    DestinationVersion,
)
from reviews.services.decide import approve
from reviews.services.sending import LEASE, claim_deliveries, record
from tests.deliveries import hold, listening, notes, only_delivery, send_when_due
from tests.house import bring_to, seen, send_due, submit, webhook

C = FailureClass
STATUSES = {
    None: [200, 201, 202, 204, 299],
    C.TRANSIENT: [408, 425, 429, 500, 502, 503, 504, 599],
    C.GONE: [410],
    C.MALFORMED: [300, 301, 302, 307, 308, 400, 401, 403, 404, 405, 409, 413, 422],
}


@pytest.mark.parametrize(
    ("status", "failure"), [(s, c) for c, many in STATUSES.items() for s in many]
)
def test_each_http_status_has_its_class(status, failure):
    assert class_of_status(status) == failure


@pytest.mark.parametrize(
    ("codes", "failure"),
    [
        ([450], C.TRANSIENT),
        ([450, 451], C.TRANSIENT),
        ([550], C.RECIPIENTS_REFUSED),
        ([450, 550], C.RECIPIENTS_REFUSED),
    ],
)
def test_refused_recipients_have_a_class(codes, failure):
    assert class_of_refusals(codes) == failure


def test_a_mail_server_that_declines_for_now_is_tried_again():
    assert class_of_reply(451) == C.TRANSIENT
    assert class_of_reply(554) == C.MALFORMED


@pytest.mark.parametrize("failure", FailureClass)
def test_every_class_says_what_follows_and_what_to_do(failure):
    assert RULES[failure].follow is not Outcome.DELIVERED
    assert advice_on(failure.value).endswith(".")


def test_an_unknown_class_has_no_advice():
    assert advice_on("") == advice_on("of tomorrow") == ""


def test_a_retry_after_that_is_a_date_is_kept(desk, approval, httpserver):
    httpserver.clear()
    until = (timezone.now() + timedelta(hours=3)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    asks = {"Retry-After": until}
    httpserver.expect_request("/desk").respond_with_data(status=503, headers=asks)

    send_due()

    delivery = only_delivery()
    assert (delivery.status, delivery.failure_class) == ("pending", "transient")
    assert delivery.wake_at > timezone.now() + timedelta(hours=2, minutes=59)


# ---- on the delivery, with what to do ---------------------------------------------


def test_what_is_malformed_says_so_and_what_can_be_done(desk, approval, httpserver):
    httpserver.clear()
    httpserver.expect_request("/desk").respond_with_data(status=404)

    send_due()

    delivery = only_delivery()
    assert (delivery.status, delivery.failure_class) == ("failed", "malformed")
    said = explain(Job.objects.get())
    assert "the delivery to desk is failed (malformed). HTTP 404. " in said.sentence
    assert advice_on("malformed") in said.sentence
    assert (said.what, said.who) == (
        "resend or withdraw it, or approve it anew",
        "operators or reviewers",
    )


def test_the_class_of_a_failed_try_goes_when_a_later_one_arrives(
    desk, approval, httpserver
):
    httpserver.clear()
    httpserver.expect_oneshot_request("/desk").respond_with_data(status=500)
    httpserver.expect_request("/desk").respond_with_data("")

    send_due()
    assert only_delivery().failure_class == "transient"
    assert "Try 1: HTTP 500. " in explain(Job.objects.get()).sentence

    send_when_due(only_delivery())
    assert (only_delivery().status, only_delivery().failure_class) == ("delivered", "")


def test_who_is_gone_is_switched_off_and_the_history_says_why(
    desk, approval, httpserver, caplog
):
    httpserver.clear()
    httpserver.expect_request("/desk").respond_with_data(status=410)

    send_due()

    desk.refresh_from_db()
    assert not desk.is_active
    assert desk.off_because.startswith("It answered HTTP 410: gone for good")
    assert (only_delivery().status, only_delivery().failure_class) == ("failed", "gone")
    job = Job.objects.get()
    event = job.events.get(kind="destination")
    assert event.note.startswith("desk was switched off. It answered HTTP 410")
    assert "a destination was switched off" in caplog.text
    assert broken_links(job) == []


def test_other_deliveries_to_who_is_gone_are_refused(
    desk, shop, ann, approval, courier, httpserver
):
    other = bring_to("awaiting_review", submit(shop), courier).reviews.get()
    approve(other, by=ann, seen=seen(other))
    second = Delivery.objects.latest("pk")
    Delivery.objects.filter(pk=second.pk).update(
        wake_at=timezone.now() + timedelta(hours=1)
    )
    httpserver.clear()
    httpserver.expect_request("/desk").respond_with_data(status=410)
    send_due()

    send_when_due(second)

    assert (second.status, second.failure_class) == ("refused", "not_as_approved")
    assert notes(second)[-1] == "desk was switched off."
    assert len(httpserver.log) == 1


def test_who_moved_since_is_not_switched_off(desk, approval, httpserver, at):
    (parcel,) = claim_deliveries(8)
    DestinationVersion(destination=desk, address=f"{at}/elsewhere").save()
    record(parcel, Answer("HTTP 410", C.GONE, http_status=410), 5)

    desk.refresh_from_db()
    assert desk.is_active
    assert not Job.objects.get().events.filter(kind="destination").exists()


def test_a_forbidden_address_fails_at_once_and_nothing_has_left(
    note, review, ann, settings
):
    webhook("https://169.254.169.254/", note)
    approve(review, by=ann, seen=seen(review))

    send_due()

    delivery = only_delivery()
    assert (delivery.status, delivery.failure_class) == ("failed", "forbidden")
    assert DeliveryAttempt.objects.get().left is False


def test_who_cannot_be_connected_to_got_nothing(note, review, ann):
    with listening(backlog=None) as url:
        webhook(url, note)
        approve(review, by=ann, seen=seen(review))
        send_due()

    assert only_delivery().failure_class == "transient"
    assert DeliveryAttempt.objects.get().left is False


def test_who_does_not_answer_may_have_got_it(note, review, ann, monkeypatch):
    monkeypatch.setattr(hooks, "PATIENCE", 0.2)
    with listening(backlog=5) as url:
        webhook(url, note)
        approve(review, by=ann, seen=seen(review))
        send_due()

    assert only_delivery().failure_class == "transient"
    assert DeliveryAttempt.objects.get().left is True


def test_a_mistake_of_ours_has_its_own_class(desk, approval):
    Destination.objects.update(secret="whsec_not base64")

    send_due()

    assert (only_delivery().status, only_delivery().failure_class) == (
        "failed",
        "our_bug",
    )


# ---- what kills us ----------------------------------------------------------------


def die_while_sending(delivery: Delivery) -> None:
    """Claimed, perhaps sent, never noted; and then its lease is over."""
    delivery.refresh_from_db()
    with time_machine.travel(delivery.wake_at + timedelta(seconds=1)):
        claim_deliveries(8)
    delivery.refresh_from_db()


def test_what_keeps_killing_us_ends(desk, approval, httpserver):
    delivery = only_delivery()
    for death in range(1, DEATHS + 1):
        die_while_sending(delivery)
        assert (delivery.status, delivery.tries) == ("sending", death)

    die_while_sending(delivery)

    assert (delivery.status, delivery.failure_class) == ("failed", "poison")
    assert delivery.tries == DEATHS
    outcomes = set(delivery.attempts.values_list("outcome", flat=True))
    assert outcomes == {DeliveryAttempt.CUT_SHORT}
    assert "3 times in a row" in explain(Job.objects.get()).sentence


def test_deaths_that_are_not_in_a_row_are_no_poison(desk, approval, httpserver):
    httpserver.clear()
    httpserver.expect_request("/desk").respond_with_data(status=503)
    delivery = only_delivery()
    for _ in range(DEATHS - 1):
        die_while_sending(delivery)
    send_when_due(delivery)  # recovered, and sent to its end this time
    assert (delivery.status, delivery.tries) == ("pending", DEATHS)
    Destination.objects.update(failures=0, rests_until=None)

    die_while_sending(delivery)
    die_while_sending(delivery)

    assert delivery.status == "sending"


def test_what_died_while_paused_is_not_left_being_sent(inbox, approval, ann):
    claim_deliveries(8)
    hold("deliveries")
    with time_machine.travel(timezone.now() + 2 * LEASE):
        assert claim_deliveries(8) == []

    delivery = only_delivery()
    assert (delivery.status, delivery.failure_class) == ("uncertain", "lost")


# ---- mail ------------------------------------------------------------------------


def test_a_mail_that_only_some_got_is_not_delivered(inbox, approval, postbox):
    postbox.to_recipient["boss@example.com"] = "550 no such user"

    send_due()

    delivery = only_delivery()
    assert (delivery.status, delivery.failure_class) == ("uncertain", "partly_refused")
    assert len(postbox.letters) == 1
    assert notes(delivery)[-1] == (
        "Handed over for desk@example.com; "
        "refused for boss@example.com: 550 no such user."
    )
    assert Job.objects.get().status == "approved"
    assert advice_on("partly_refused") in explain(Job.objects.get()).sentence
    send_due()
    assert len(postbox.letters) == 1


def test_a_refusal_is_kept_in_characters_that_every_database_takes(
    inbox, approval, postbox
):
    postbox.to_recipient["boss@example.com"] = "550 no\0body"

    send_due()

    assert only_delivery().attempts.get().outcome.endswith("550 no\ufffdbody.")
    assert "550 no\ufffdbody." in notes(only_delivery())[-1]


def test_a_mail_that_nobody_got_has_failed_and_has_not_left(inbox, approval, postbox):
    postbox.to_recipients = "550 no such user"

    send_due()

    delivery = only_delivery()
    assert (delivery.status, delivery.failure_class) == ("failed", "recipients_refused")
    assert DeliveryAttempt.objects.get().left is False


def test_an_encrypted_connection_remembers_refusals_too():
    backend = RememberingBackend(use_ssl=True, use_tls=False)
    assert backend.connection_class is RememberingSSL
    assert backend.ssl_context.verify_mode is ssl.CERT_REQUIRED
