"""Probing: a signed event without content tells whether a receiver is there."""

import json

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.urls import reverse
from standardwebhooks.webhooks import Webhook

from jobs.lifecycle import MoveRefused
from reviews.delivery.failures import FailureClass
from reviews.models import (
    Delivery,
    DeliveryAttempt,
    Destination,
    DestinationVersion,
)
from reviews.services.probe import probe_destination
from tests.deliveries import received
from tests.house import SECRET, browser, person


@pytest.fixture
def boss(db: None) -> User:
    return person("max", "Managers")


def test_the_receiver_gets_a_signed_event_without_content(desk, boss, httpserver, at):
    headers = {"X-Team": "desk"}
    DestinationVersion(destination=desk, address=f"{at}/desk", headers=headers).save()

    found = probe_destination(desk, by=boss)

    (request,) = received(httpserver)
    said = Webhook(SECRET).verify(request.data, dict(request.headers))
    assert said == {"type": "webhook.test", "timestamp": said["timestamp"], "data": {}}
    assert request.headers["X-Team"] == "desk"
    assert (found.answer.http_status, found.answer.said) == (200, "thanks")
    assert 0 <= found.milliseconds < 15_000


def test_it_is_no_delivery_and_says_nothing_of_the_destinations_health(
    desk, boss, httpserver
):
    httpserver.clear()
    httpserver.expect_request("/desk").respond_with_data(status=410)
    assert probe_destination(desk, by=boss).answer.failure is FailureClass.GONE
    assert not Delivery.objects.exists()
    assert not DeliveryAttempt.objects.exists()
    assert Destination.objects.get() == desk
    assert Destination.objects.get().is_active


def test_it_is_guarded_as_deliveries_are(desk, boss, settings):
    settings.PROVIDER = "openai"
    DestinationVersion(destination=desk, address="https://169.254.169.254/").save()
    answer = probe_destination(desk, by=boss).answer
    assert answer.why == "169.254.169.254 is not a public address."


def test_what_cannot_be_sent_is_an_answer_too(desk, boss):
    Destination.objects.update(secret="whsec_not base64")
    desk.refresh_from_db()
    answer = probe_destination(desk, by=boss).answer
    assert answer.failure is FailureClass.OUR_BUG


def test_it_needs_the_right_and_a_webhook_with_an_address(desk, inbox, ann, boss):
    with pytest.raises(PermissionDenied):
        probe_destination(desk, by=ann)
    with pytest.raises(MoveRefused, match="is no webhook"):
        probe_destination(inbox, by=boss)
    fresh = Destination.objects.create(name="new", kind="webhook", secret=SECRET)
    with pytest.raises(MoveRefused, match="has no address yet"):
        probe_destination(fresh, by=boss)


def test_the_page_shows_status_latency_and_the_first_bytes(desk, boss, httpserver):
    httpserver.clear()
    told = json.dumps({"error": "<script>alert(1)</script>"})
    httpserver.expect_request("/desk").respond_with_data(told, status=401)
    path = reverse("admin:reviews_destination_probe", args=[desk.pk])
    page = browser(boss).post(path).content.decode()
    assert "HTTP 401" in page
    assert " ms</dd>" in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert(1)" not in page
    own = reverse("admin:reviews_destination_change", args=[desk.pk])
    assert path in browser(boss).get(own).content.decode()
