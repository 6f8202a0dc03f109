"""The seconds in which an approval can be taken back before anything leaves."""

from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from jobs.explain import explain
from jobs.models import Job
from reviews.models import Delivery, DestinationVersion, ReviewPolicy
from reviews.services.approve_delivery import approve_delivery, what_is_seen_anew
from reviews.services.decide import approve
from reviews.services.recall import leaves_at, recall_job
from tests.deliveries import only_delivery, received
from tests.house import bring_to, browser, seen, send_due, submit, with_terms

pytestmark = pytest.mark.undo


@pytest.fixture
def window(desk, approval) -> Delivery:
    """Approved by ann a moment ago; it leaves in ten seconds."""
    return only_delivery()


def test_an_approval_waits_ten_seconds_and_then_leaves(window, approval, httpserver):
    assert window.wake_at == approval.at + timedelta(seconds=10)
    send_due()
    assert httpserver.log == []

    with time_machine.travel(window.wake_at):
        send_due()
    assert len(httpserver.log) == 1


@pytest.mark.parametrize("seconds", [0, 90])
def test_how_long_is_what_the_policy_said_when_the_review_opened(
    desk, note, shop, ann, courier, seconds
):
    job = submit(shop)
    policy = ReviewPolicy.objects.create(version=job.version, undo_seconds=seconds)
    review = bring_to("awaiting_review", job, courier).reviews.get()
    policy.undo_seconds = 5
    policy.save()

    decision = approve(review, by=ann, seen=seen(review))

    assert only_delivery().wake_at == decision.at + timedelta(seconds=seconds)


def test_what_is_taken_back_in_time_never_leaves(window, ann, httpserver):
    recall_job(Job.objects.get(), by=ann)
    with time_machine.travel(timezone.now() + timedelta(minutes=1)):
        send_due()
    assert httpserver.log == []
    assert Job.objects.get().status == "awaiting_review"


def test_the_job_says_when_it_leaves(window):
    said = explain(Job.objects.get())
    leaves = f"It leaves at {window.wake_at:%H:%M:%S} UTC; until then"
    assert leaves in said.sentence
    assert (said.waiting_for, said.by) == ("the undo window", window.wake_at)
    with time_machine.travel(window.wake_at):
        assert "It leaves at" not in explain(Job.objects.get()).sentence


def test_the_window_is_over_once_something_has_left(window, inbox):
    job, now = Job.objects.get(), timezone.now()
    assert leaves_at(job, now) == window.wake_at
    assert leaves_at(job, window.wake_at) is None
    window.attempts.create(number=1, started_at=now)
    assert leaves_at(job, now) is None
    said = explain(job).sentence
    assert "is pending" in said
    assert "taken back" not in said


def test_what_is_approved_anew_leaves_at_once_and_promises_nothing(
    window, inbox, at, ann, httpserver
):
    DestinationVersion(destination=window.destination, address=f"{at}/new").save()
    httpserver.expect_request("/new").respond_with_data("")
    with time_machine.travel(window.wake_at):
        send_due()
    window.refresh_from_db()
    page = what_is_seen_anew(window).digest

    decision = approve_delivery(window, by=ann, seen=page)

    (anew,) = decision.deliveries.all()
    assert (window.status, anew.wake_at) == ("refused", decision.at)
    told = shown(browser(ann), pages(anew)[1])
    assert "data-countdown" not in told
    assert "taken back" not in told
    send_due()
    assert [request.path for request in received(httpserver)] == ["/new"]


def pages(delivery: Delivery) -> list[str]:
    return [
        reverse("admin:jobs_job_change", args=[delivery.job_id]),
        reverse("admin:reviews_delivery_change", args=[delivery.pk]),
        reverse("admin:reviews_review_change", args=[delivery.decision.review_id]),
    ]


def shown(client: Client, path: str) -> str:
    return client.get(path).content.decode()


def test_each_page_counts_down_and_takes_back(window, ann):
    client = browser(ann)
    for path in pages(window):
        page = shown(client, path)
        assert f'datetime="{window.wake_at.isoformat()}" data-countdown' in page
        assert page.count("Take back</button>") == 1
        assert "Return to review" not in page
    action = shown(client, pages(window)[0]).split('<div class="notice undo"')[1]
    client.post(action.split('action="')[1].split('"')[0])
    assert Job.objects.get().status == "awaiting_review"


def test_who_may_not_take_it_back_sees_when_it_leaves(window, shop):
    shop.is_staff = True
    shop.save()
    page = shown(browser(shop), pages(window)[0])
    assert "data-countdown" in page
    assert "Take back" not in page


def test_when_it_is_over_the_pages_no_longer_offer_it(window, ann):
    client = browser(ann)
    with time_machine.travel(window.wake_at):
        for path in pages(window):
            assert "data-countdown" not in shown(client, path)


def test_the_message_after_deciding_counts_down_and_takes_back(desk, review, ann):
    client = browser(ann)
    path = reverse("admin:reviews_review_decide", args=[review.pk])
    given = {"verdict": "approve", "seen": seen(review), "comment": ""}
    page = client.post(path, given, follow=True).content.decode()
    assert f'datetime="{only_delivery().wake_at.isoformat()}" data-countdown' in page
    message = page.split('<ul class="approved">')[1]
    back = client.post(message.split('action="')[1].split('"')[0])
    again = Job.objects.get().reviews.get(closed_at=None)
    assert again != review
    assert back.url == reverse("admin:reviews_review_change", args=[again.pk])


def test_what_is_approved_among_others_can_be_taken_back_too(desk, review, ann):
    review = with_terms(review, allows_bulk=True)
    given = {f"seen_{review.pk}": seen(review)}
    path = reverse("admin:reviews_review_bulk")
    page = browser(ann).post(path, given, follow=True).content.decode()
    assert page.count("Take back</button>") == 1
