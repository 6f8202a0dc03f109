"""Taking an approval back, while nothing has left."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied

from jobs.lifecycle import MoveRefused
from jobs.models import Job
from jobs.services.verify import broken_links
from reviews.models import Delivery, Destination, DestinationVersion
from reviews.services.decide import approve
from reviews.services.recall import recall_job
from reviews.services.sending import claim_deliveries
from tests.deliveries import listening, only_delivery, received
from tests.house import seen, send_due, webhook


def test_an_approval_is_taken_back_and_asks_for_another(
    desk, inbox, approval, httpserver, mailoutbox, ann, bob
):
    recall_job(Job.objects.get(), by=ann, note="The name is wrong.")

    job = Job.objects.get()
    assert (job.status, job.approved_hash, job.finished_at) == (
        "awaiting_review",
        "",
        None,
    )
    review = job.reviews.get(closed_at=None)
    assert (review.round, job.wake_at) == (1, review.due_at)  # no changes were asked
    assert set(Delivery.objects.values_list("status")) == {("withdrawn",)}
    send_due()
    assert (len(httpserver.log), len(mailoutbox)) == (0, 0)
    event = job.events.get(kind="status", was="approved")
    assert (event.actor, event.note) == ("ann", "The name is wrong.")
    assert broken_links(job) == []

    approve(review, by=ann, seen=seen(review))  # the same person may decide again
    send_due()
    assert (len(httpserver.log), len(mailoutbox)) == (1, 1)
    assert Job.objects.get().status == "delivered"


def test_a_new_decision_goes_to_the_corrected_destination(
    desk, approval, httpserver, at, olivia, ann
):
    DestinationVersion(destination=desk, address=f"{at}/corrected").save()
    httpserver.expect_request("/corrected").respond_with_data("")
    send_due()
    assert only_delivery().status == "refused"

    recall_job(Job.objects.get(), by=olivia)
    review = Job.objects.get().reviews.get(closed_at=None)
    approve(review, by=ann, seen=seen(review))
    send_due()

    assert [request.path for request in received(httpserver)] == ["/corrected"]
    assert Job.objects.get().status == "delivered"


def test_what_could_not_be_connected_to_has_not_left(note, review, ann):
    with listening(backlog=None) as url:
        webhook(url, note)
        approve(review, by=ann, seen=seen(review))
        send_due()
    assert only_delivery().tries == 1

    recall_job(Job.objects.get(), by=ann)

    assert Job.objects.get().status == "awaiting_review"


def answered(httpserver: Any) -> None:
    httpserver.clear()
    httpserver.expect_request("/desk").respond_with_data(status=404)
    send_due()


def arrived(httpserver: Any) -> None:
    Destination.objects.filter(name="mail").update(is_active=False)
    send_due()


def being_sent(httpserver: Any) -> None:
    claim_deliveries(1)


@pytest.mark.parametrize("out", [answered, arrived, being_sent])
def test_what_has_left_is_not_called_back_and_it_says_what_can_be_done(
    desk, inbox, approval, httpserver, ann, out: Callable[..., None]
):
    out(httpserver)

    with pytest.raises(MoveRefused, match="what is out stays out") as refusal:
        recall_job(Job.objects.get(), by=ann)

    assert "it was sent to desk at" in str(refusal.value)
    assert "approved anew, resent or withdrawn" in str(refusal.value)
    assert Job.objects.get().status == "approved"
    assert not Delivery.objects.filter(status="withdrawn").exists()


def test_only_an_approved_job_is_taken_back(review, ann):
    with pytest.raises(MoveRefused, match="cannot become awaiting_review"):
        recall_job(review.job, by=ann)


def test_only_who_decides_or_sees_to_deliveries_takes_back(desk, approval, shop):
    with pytest.raises(PermissionDenied):
        recall_job(Job.objects.get(), by=shop)
    assert only_delivery().status == "pending"
