"""Approved results by mail."""

import json
import socket
from email import message_from_bytes
from email.policy import SMTP
from typing import Any

import pytest

from jobs.explain import explain
from jobs.models import Job
from reviews.delivery import email
from reviews.delivery.failures import Outcome
from reviews.services.decide import approve
from reviews.services.requests import draft_requests
from tests.deliveries import listening, only_delivery
from tests.house import (
    bring_to,
    mailbox,
    receiver,
    seen,
    send_due,
    submit,
)

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
        f"Decision {decision.reference}.\n"
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


def test_a_mail_travels_over_smtp_as_it_was_stored(inbox, approval, postbox):
    server = postbox

    send_due()

    (letter,) = server.letters
    sent, stored = message_from_bytes(letter, policy=SMTP), only_delivery().request
    assert sent.get_content().replace("\r\n", "\n") == json.loads(stored)["text"]
    assert sent["Subject"] == json.loads(stored)["subject"]
    assert only_delivery().status == "delivered"


def test_a_mail_whose_receipt_was_lost_waits_for_a_person(inbox, approval, postbox):
    server = postbox
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
    server = postbox
    server.to_recipients = answer

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
