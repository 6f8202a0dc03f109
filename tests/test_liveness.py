"""How often we look: rarely while webhooks tell of every end, often when they fall
silent."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.utils import timezone

from jobs.models import Attempt, Job, WebhookReceipt
from jobs.policy.polling import (
    LATEST,
    NET_LATEST,
    ask_again_at,
    next_look_at,
    webhooks_alive,
)
from jobs.services.liveness import forget, watch_webhooks, webhooks_are_alive
from jobs.sweep import turn
from tests.house import bring_to, courier_to, job_type, program, submit

NOW = datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC)  # daylight saving begins in Europe
ALIVE = [True] * 10
KEPT = timedelta(minutes=10)  # at least so long the provider keeps what it answered


def look_after(age: float, alive: bool) -> float:
    began = NOW - timedelta(seconds=age)
    return (next_look_at(began, NOW, webhooks_alive=alive) - NOW).total_seconds()


# ---- when to look ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("age", "silent", "alive"),
    [
        (-5, 2, 20),
        (0, 2, 20),
        (30, 3, 20),
        (60, 6, 30),
        (300, 30, 150),
        (600, 60, 240),
        (86_400, 60, 240),
    ],
)
def test_a_look_is_the_net_beneath_webhooks_that_are_alive(age, silent, alive):
    assert look_after(age, False) == silent
    assert look_after(age, True) == alive


def test_two_looks_fit_in_the_time_for_which_answers_are_surely_kept():
    assert 2 * NET_LATEST < KEPT


# ---- are they alive --------------------------------------------------------------


@pytest.mark.parametrize(
    ("announced", "alive"),
    [
        ([], False),
        ([True] * 2, False),
        ([True] * 3, True),
        ([True, True, False], False),
        ([True] * 4 + [False], True),
        ([True] * 3 + [False] * 2, False),
        ([True] * 8 + [False] * 2, True),
        ([True] * 7 + [False] * 3, False),
        ([False] * 10, False),
    ],
)
def test_so_many_of_the_latest_ends_prove_that_they_are_alive(announced, alive):
    assert webhooks_alive(announced) is alive


# ---- asking again for a response that is not ours yet ----------------------------


def gaps(*, is_gone: bool) -> list[float]:
    now, found = NOW, []
    while again := ask_again_at(NOW, now, is_gone=is_gone):
        found.append((again - now).total_seconds())
        now = again
    return found


def test_what_is_not_found_is_looked_for_a_few_times():
    assert gaps(is_gone=True) == [5, 5, 10, 20, 40, 80]


def test_any_other_trouble_is_waited_out_with_growing_patience():
    found = gaps(is_gone=False)

    assert found == sorted(found)
    assert found[-1] == 600
    assert timedelta(seconds=sum(found)) > timedelta(hours=72)


# ---- as our rows tell ------------------------------------------------------------


@pytest.fixture(scope="module")
def standing_ends(standing, provider_server) -> None:
    job_type()
    with courier_to(provider_server) as courier:
        job = bring_to("awaiting_review", submit(program()), courier)
    at = timezone.now()
    more = [
        Attempt(
            job=job,
            number=n,
            response_id=f"resp_{n}",
            created_at=at,
            ended_at=at,
            settled_at=at,
        )
        for n in range(2, 11)
    ]
    Attempt.objects.bulk_create(more)


@pytest.fixture
def ended(standing_ends, db) -> list[Attempt]:
    """Attempts whose ends we know of for half a minute, as by a look."""
    Attempt.objects.update(settled_at=timezone.now() - timedelta(seconds=30))
    return list(Attempt.objects.order_by("number"))


def tell(attempts: list[Attempt], *, after: float = 0) -> None:
    """Their webhooks came so many seconds after we knew."""
    WebhookReceipt.objects.bulk_create(
        WebhookReceipt(
            webhook_id=f"wh_{attempt.pk}",
            type="response.completed",
            response_id=attempt.response_id,
            received_at=timezone.now() - timedelta(seconds=30 - after),
        )
        for attempt in attempts
    )


def are_alive() -> bool:
    forget()
    watch_webhooks()
    return webhooks_are_alive()


def test_webhooks_that_tell_of_every_end_are_alive(ended):
    tell(ended)

    assert are_alive()


def test_one_that_is_lost_now_and_then_does_no_harm(ended):
    tell(ended[2:])

    assert are_alive()


def test_without_webhooks_they_are_silent(ended):
    assert not are_alive()


def test_those_that_come_much_later_than_a_look_are_no_use(ended):
    tell(ended, after=11)

    assert not are_alive()


def test_those_that_come_a_little_later_are(ended):
    tell(ended, after=9)

    assert are_alive()


def test_an_end_of_just_now_may_still_be_told(ended):
    tell(ended[:5])
    Attempt.objects.filter(pk__in=[a.pk for a in ended[5:]]).update(
        settled_at=timezone.now()
    )

    assert are_alive()


def test_what_ended_long_ago_proves_nothing(ended):
    tell(ended)

    with time_machine.travel(timezone.now() + timedelta(minutes=16)):
        assert not are_alive()


def test_our_rows_are_asked_every_few_seconds_only(
    ended, django_assert_num_queries, django_assert_max_num_queries
):
    with time_machine.travel(NOW + timedelta(seconds=1), tick=False) as clock:
        with django_assert_max_num_queries(3):
            watch_webhooks()
        with django_assert_num_queries(0):
            clock.shift(4)
            watch_webhooks()
        clock.shift(1)
        with django_assert_max_num_queries(3):
            watch_webhooks()


def test_while_they_are_alive_the_next_look_is_far_away(ended, note, shop, courier):
    tell(ended)
    forget()
    job = bring_to("running", submit(shop, "Hi. [sandbox:slow]"), courier)
    job.refresh_from_db()

    assert webhooks_are_alive()
    assert job.wake_at > timezone.now() + timedelta(seconds=10)


@pytest.mark.parametrize("alive", [True, False])
def test_when_they_fall_silent_no_look_stays_far_away(
    ended, note, shop, courier, alive
):
    if alive:
        tell(ended)
    job = bring_to("running", submit(shop, "Hi. [sandbox:slow]"), courier)
    planned = timezone.now() + NET_LATEST
    Job.objects.filter(pk=job.pk).update(wake_at=planned)
    waiting = Job.objects.get(status="awaiting_review")

    with time_machine.travel(timezone.now() + timedelta(seconds=6), tick=False):
        turn(courier, 0)
        soon = timezone.now() + LATEST

    job.refresh_from_db()
    assert job.wake_at == (planned if alive else soon)
    assert Job.objects.get(pk=waiting.pk).wake_at == waiting.wake_at
