"""Approved results that are given to a function of this house."""

from datetime import timedelta

import pytest
import time_machine
from django.urls import reverse

from bgreview.checks import handlers_are_there
from jobs.models import Job
from reviews.delivery import handler
from reviews.models import Destination, DestinationVersion
from reviews.services.decide import approve
from reviews.services.sending import LEASE, claim_deliveries
from tests import handlers
from tests.deliveries import only_delivery, send_when_due
from tests.house import browser, person, seen, send_due

TAKE, FAIL, HANG = (f"tests.handlers.{name}" for name in ("take", "fail", "hang"))


@pytest.fixture(autouse=True)
def registered(settings):
    settings.DELIVERY_HANDLERS = [TAKE, FAIL, HANG]
    handlers.calls.clear()
    handlers.released.clear()
    yield
    handlers.released.set()


@pytest.fixture
def to(note, review, ann):
    """Approve for a destination that names this function."""

    def give(name: str) -> None:
        made = Destination.objects.create(name="ledger", kind="handler")
        made.job_types.set([note])
        DestinationVersion(destination=made, address=name).save()
        approve(review, by=ann, seen=seen(review))

    return give


def test_it_gets_the_stored_body_under_the_deliverys_id(to, review):
    to(TAKE)
    send_due()

    delivery = only_delivery()
    ((body, webhook_id),) = handlers.calls
    assert webhook_id == delivery.webhook_id
    assert body["data"]["content"] == review.result.content
    assert body["data"]["decision"]["id"] == delivery.decision.reference
    assert (delivery.status, Job.objects.get().status) == ("delivered", "delivered")


def test_what_it_raises_is_tried_again_under_the_same_id(to):
    to(FAIL)
    send_due()
    first = only_delivery()
    assert (first.status, first.failure_class) == ("pending", "transient")
    outcome = "It raised ConnectionError: the ledger is closed"
    assert first.attempts.get().outcome == outcome

    send_when_due(first)
    assert only_delivery().tries == 2


def test_one_that_does_not_return_is_uncertain(to, monkeypatch):
    monkeypatch.setattr(handler, "PATIENCE", 0.05)
    to(HANG)
    send_due()
    delivery = only_delivery()
    assert (delivery.status, delivery.failure_class) == ("uncertain", "lost")


def test_if_we_die_meanwhile_a_person_decides(to):
    to(TAKE)
    claim_deliveries(1)
    with time_machine.travel(only_delivery().wake_at + LEASE + timedelta(seconds=1)):
        send_due()
    assert only_delivery().status == "uncertain"
    assert handlers.calls == []


def test_one_that_is_no_longer_registered_is_not_called(to, settings):
    to(TAKE)
    settings.DELIVERY_HANDLERS = []
    send_due()
    delivery = only_delivery()
    assert (delivery.status, delivery.failure_class) == ("failed", "forbidden")
    assert handlers.calls == []


def test_its_page_shows_what_it_will_be_given(to, ann, review):
    to(TAKE)
    path = reverse("admin:reviews_delivery_change", args=[only_delivery().pk])
    page = browser(ann).get(path).content.decode()
    assert TAKE in page
    assert "content_sha256" in page


@pytest.mark.parametrize(
    ("kind", "address", "said"),
    [
        ("handler", TAKE, ""),
        ("handler", "os.system", "not in the setting DELIVERY_HANDLERS"),
        ("handler", "https://desk.example/", "not in the setting"),
        ("webhook", TAKE, "is not a URL|Only https|needs a host"),
        ("webhook", "desk@example.com", "needs a host"),
        ("webhook", "https://desk.example/", ""),
        ("webhook", "https://10.0.0.1/x", "10.0.0.1: sandbox results are sent to"),
        ("webhook", "https://0xa000001/x", "10.0.0.1: sandbox results are sent to"),
        ("webhook", "http://[::1]:8001/x", ""),
        ("email", TAKE, "valid email"),
        ("email", "https://desk.example/", "valid email"),
    ],
)
def test_a_destination_takes_addresses_of_its_kind(db, kind, address, said):
    made = Destination.objects.create(name="ledger", kind=kind)
    path = reverse("admin:reviews_destination_version", args=[made.pk])
    answer = browser(person("max", "Managers")).post(path, {"address": address})
    assert answer.status_code == (422 if said else 302)
    assert made.versions.count() == (0 if said else 1)
    if said:
        (error,) = answer.context["form"].errors["address"]
        assert any(part in error for part in said.split("|"))


def test_the_check_names_what_is_not_there(settings):
    assert handlers_are_there(None) == []
    missing = ["tests.handlers.gone", "nowhere.at.all", "plain", "tests.handlers.calls"]
    settings.DELIVERY_HANDLERS = [TAKE, *missing]
    found = handlers_are_there(None)
    assert [error.id for error in found] == ["bgreview.E007"] * 4
    assert all(repr(name) in e.msg for name, e in zip(missing, found, strict=True))
