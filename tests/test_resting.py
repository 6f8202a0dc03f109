"""Destinations that fail rest and heal; deliveries can be held back by a person."""

import socket
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from jobs.explain import explain
from jobs.lifecycle import MoveRefused
from jobs.models import Job, Pause
from reviews.delivery import webhook as hooks
from reviews.models import Delivery, Destination, DestinationVersion, Review
from reviews.outbox import ROOM
from reviews.services.decide import approve
from reviews.services.holding import pause_deliveries, resume_deliveries
from reviews.services.rest import AT_ONCE, TOLERATED, rest_after
from reviews.services.sending import claim_deliveries
from tests.deliveries import hold, only_delivery
from tests.house import person, seen, send_due, webhook
from tests.test_races import reviews_like


@pytest.mark.parametrize(
    ("failures", "minutes"),
    [(0, 0), (3, 0), (4, 1), (5, 2), (6, 4), (9, 32), (10, 60), (11, 60), (9999, 60)],
)
def test_the_rest_doubles_up_to_an_hour(failures, minutes):
    assert (rest_after(failures) or timedelta()) == timedelta(minutes=minutes)


def several(first: Review, ann: User, count: int) -> list[Delivery]:
    """As many approved jobs, each on its way to every destination of its type."""
    for review in reviews_like(first, count):
        approve(review, by=ann, seen=seen(review))
    return list(Delivery.objects.order_by("pk"))


def health(desk: Destination) -> tuple[int, bool]:
    desk.refresh_from_db()
    return desk.failures, desk.rests(timezone.now())


def test_after_four_failures_in_a_row_nothing_is_sent_for_a_minute(
    desk, review, ann, httpserver
):
    several(review, ann, TOLERATED + 1)
    httpserver.clear()
    httpserver.expect_request("/desk").respond_with_data(status=503)

    send_due()
    assert len(httpserver.log) == TOLERATED
    assert health(desk) == (TOLERATED, True)
    send_due()
    assert len(httpserver.log) == TOLERATED

    waiting = Delivery.objects.get(tries=0)
    said = explain(waiting.job)
    assert "desk rests after 4 failures in a row" in said.sentence
    assert said.by == desk.rests_until


def test_after_its_rest_one_try_heals_it(desk, review, ann, httpserver):
    several(review, ann, 6)
    Destination.objects.update(
        failures=TOLERATED, rests_until=timezone.now() - timedelta(seconds=1)
    )

    send_due()
    assert len(httpserver.log) == 1
    assert health(desk) == (0, False)
    assert desk.rests_until is None

    send_due()
    assert len(httpserver.log) == 1 + AT_ONCE


def test_a_try_after_its_rest_that_fails_rests_it_for_longer(
    desk, review, ann, httpserver
):
    several(review, ann, 2)
    Destination.objects.update(
        failures=TOLERATED, rests_until=timezone.now() - timedelta(seconds=1)
    )
    httpserver.clear()
    httpserver.expect_request("/desk").respond_with_data(status=503)

    send_due()

    assert len(httpserver.log) == 1
    assert health(desk) == (TOLERATED + 1, True)
    assert desk.rests_until > timezone.now() + timedelta(seconds=110)


def test_a_failure_of_one_request_tires_nobody(desk, review, ann, httpserver):
    several(review, ann, TOLERATED)
    httpserver.clear()
    httpserver.expect_request("/desk").respond_with_data(status=404)

    send_due()

    assert health(desk) == (0, False)


def test_another_address_begins_in_health(desk, at):
    Destination.objects.update(
        failures=9, rests_until=timezone.now() + timedelta(hours=1)
    )
    DestinationVersion(destination=desk, address=f"{at}/new").save()

    assert health(desk) == (0, False)


def test_one_that_rests_holds_up_no_other(note, desk, review, ann, httpserver, at):
    webhook(f"{at}/other", note, name="other")
    httpserver.expect_request("/other").respond_with_data("")
    several(review, ann, 2)
    Destination.objects.filter(pk=desk.pk).update(
        failures=TOLERATED, rests_until=timezone.now() + timedelta(minutes=1)
    )

    send_due()

    assert {request.path for request, _ in httpserver.log} == {"/other"}
    assert len(httpserver.log) == 2


def test_a_hanging_receiver_takes_a_few_places_and_not_all(
    note, review, ann, httpserver, at, monkeypatch
):
    """It has many due, older than any other; the others go out all the same."""
    monkeypatch.setattr(hooks, "PATIENCE", 0.3)
    with socket.create_server(("127.0.0.1", 0), backlog=32) as silent:
        hanging = webhook(f"http://127.0.0.1:{silent.getsockname()[1]}/", note)
        several(review, ann, AT_ONCE + 2)
        hanging.job_types.clear()
        quick = webhook(f"{at}/quick", note, name="quick")
        httpserver.expect_request("/quick").respond_with_data("")
        several(review, ann, 1)
        hanging.job_types.set([note])

        parcels = claim_deliveries(ROOM)
        assert [p.delivery.destination for p in parcels].count(hanging) == AT_ONCE
        assert [p.delivery.destination for p in parcels].count(quick) == 1
        assert claim_deliveries(ROOM) == []  # in flight are counted, wherever


# ---- held back by a person ---------------------------------------------------------


def test_deliveries_wait_while_they_are_paused(desk, approval, httpserver):
    hold(Pause.STARTS)
    pause = hold(Pause.DELIVERIES)

    send_due()
    assert httpserver.log == []
    assert only_delivery().status == "pending"
    said = explain(Job.objects.get())
    assert ("paused" in said.sentence, said.who) == (True, "managers")

    Pause.objects.filter(pk=pause.pk).update(ended_at=timezone.now())
    send_due()
    assert only_delivery().status == "delivered"


def test_a_pause_of_one_destination_holds_up_no_other(
    desk, inbox, approval, httpserver, mailoutbox
):
    boss = person("max", "Managers")
    pause = pause_deliveries(desk, by=boss, note="They move house.")
    assert (pause.scope, pause.note) == (
        f"destination:{desk.pk}",
        "desk: They move house.",
    )

    send_due()
    assert (len(httpserver.log), len(mailoutbox)) == (0, 1)
    assert "They move house." in explain(Job.objects.get()).sentence

    resume_deliveries(desk, by=boss)
    send_due()
    assert len(httpserver.log) == 1
    assert Job.objects.get().status == "delivered"


@pytest.mark.parametrize("one", [True, False])
def test_what_is_paused_is_not_paused_again_and_what_is_not_cannot_be_resumed(
    desk, one
):
    boss, to = person("max", "Managers"), desk if one else None
    with pytest.raises(MoveRefused, match="not paused"):
        resume_deliveries(to, by=boss)
    pause_deliveries(to, by=boss)
    with pytest.raises(MoveRefused, match="paused already"):
        pause_deliveries(to, by=boss)
    assert Pause.objects.count() == 1


def test_only_managers_pause_and_resume(desk, ann, olivia):
    for somebody in (ann, olivia):
        with pytest.raises(PermissionDenied):
            pause_deliveries(desk, by=somebody)
    pause_deliveries(desk, by=person("max", "Managers"))
    for somebody in (ann, olivia):
        with pytest.raises(PermissionDenied):
            resume_deliveries(desk, by=somebody)
    assert Pause.objects.active().count() == 1
