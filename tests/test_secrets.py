"""A destination's secret: shown once, rotated with an overlap, and then forgotten."""

import logging
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.urls import reverse
from django.utils import timezone
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from jobs.lifecycle import MoveRefused
from reviews.models import Destination
from reviews.services.rotate import new_secret, rotate_secret
from tests.deliveries import received
from tests.house import SECRET, browser, person, send_due


@pytest.fixture
def boss(db: None) -> User:
    return person("max", "Managers")


def is_signed(httpserver: Any, secret: str) -> bool:
    """Whether what came bears a signature by this secret."""
    (request,) = received(httpserver)
    try:
        Webhook(secret).verify(request.data, dict(request.headers))
    except WebhookVerificationError:
        return False
    return True


def test_while_it_is_rotated_both_sign(desk, approval, httpserver, boss):
    fresh = rotate_secret(desk, by=boss, hours=24)

    send_due()

    assert is_signed(httpserver, fresh)
    assert is_signed(httpserver, SECRET)
    (request,) = received(httpserver)
    first, second = request.headers["webhook-signature"].split(" ")
    assert first.startswith("v1,")
    assert second.startswith("v1,")


def test_when_the_overlap_is_over_the_old_one_signs_no_more(desk, boss):
    fresh, now = rotate_secret(desk, by=boss, hours=1), timezone.now()
    desk.refresh_from_db()
    assert desk.secrets_at(now) == [fresh, SECRET]
    assert desk.secrets_at(desk.old_secret_until) == [fresh]


def test_one_that_leaked_stops_at_once(desk, approval, httpserver, boss):
    rotate_secret(desk, by=boss, hours=24)
    fresh = rotate_secret(desk, by=boss, hours=0)

    send_due()

    assert is_signed(httpserver, fresh)
    assert not is_signed(httpserver, SECRET)
    desk.refresh_from_db()
    assert (desk.old_secret, desk.old_secret_until) == ("", None)


def test_a_second_rotation_waits_for_the_first(desk, boss):
    fresh = rotate_secret(desk, by=boss, hours=2)
    with pytest.raises(MoveRefused, match="The last rotation lasts until"):
        rotate_secret(desk, by=boss, hours=2)
    with time_machine.travel(timezone.now() + timedelta(hours=2)):
        rotate_secret(desk, by=boss, hours=2)
    desk.refresh_from_db()
    assert desk.old_secret == fresh


def test_it_needs_the_right_and_a_webhook(desk, inbox, ann, boss):
    with pytest.raises(PermissionDenied):
        rotate_secret(desk, by=ann)
    with pytest.raises(MoveRefused, match="only webhooks are signed"):
        rotate_secret(inbox, by=boss)
    desk.refresh_from_db()
    assert desk.secret == SECRET


def test_no_two_are_alike(db):
    assert len({new_secret() for _ in range(5)}) == 5


def test_the_page_shows_a_new_one_once_and_keeps_it_out_of_logs(desk, boss, caplog):
    caplog.set_level(logging.INFO)
    path = reverse("admin:reviews_destination_rotate", args=[desk.pk])
    answer = browser(boss).post(path, {"hours": "24"})

    fresh = Destination.objects.get().secret
    page = answer.content.decode()
    assert fresh in page
    assert SECRET not in page
    assert "no-store" in answer["Cache-Control"]
    told = caplog.text + LogEntry.objects.get().get_change_message()
    assert "Rotated the secret." in told
    assert "a secret was rotated" in told
    assert fresh not in told
    own = reverse("admin:reviews_destination_change", args=[desk.pk])
    again = browser(boss).get(own).content.decode()
    assert "Its old secret signs beside the new one until" in again
    assert fresh not in again
    assert SECRET not in again
    assert fresh not in browser(boss).get(f"{own}../history/").content.decode()


@pytest.mark.parametrize("name", ["rotate", "probe"])
def test_only_managers_and_only_by_a_form(desk, ann, boss, name):
    path = reverse(f"admin:reviews_destination_{name}", args=[desk.pk])
    assert browser(ann).post(path).status_code == 403
    assert browser(boss).get(path).status_code == 404
    desk.refresh_from_db()
    assert desk.secret == SECRET


def test_a_rotation_that_is_refused_says_so(desk, boss):
    path = reverse("admin:reviews_destination_rotate", args=[desk.pk])
    client = browser(boss)
    client.post(path, {"hours": "5"})
    page = client.post(path, {"hours": "5"}, follow=True).content.decode()
    assert "The last rotation lasts until" in page


@pytest.mark.parametrize("hours", ["soon", "-1", "9" * 30, "9" * 5_000])
def test_what_is_no_number_of_hours_rotates_nothing(desk, boss, hours):
    path = reverse("admin:reviews_destination_rotate", args=[desk.pk])
    page = browser(boss).post(path, {"hours": hours}, follow=True).content.decode()
    assert "is no number of hours" in page
    desk.refresh_from_db()
    assert desk.secret == SECRET
