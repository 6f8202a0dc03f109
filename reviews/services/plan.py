"""The deliveries that follow from an approval, written with it."""

from datetime import timedelta

from jobs.kit.rights import name_of
from jobs.lifecycle import Line, add_events
from reviews.models import Decision, Delivery, Review
from reviews.services.requests import Request


def plan_deliveries(decision: Decision, requests: list[Request]) -> list[Delivery]:
    """Store the requests that were decided on; the outbox sends them as stored.

    Not before the time is over in which the decision can be taken back. One that is
    about a single delivery cannot be: the others may have left.
    """
    job, result = decision.review.job, decision.result
    leaves_at = decision.at
    if decision.delivery_id is None:
        leaves_at += undo_window(decision.review)
    deliveries = [
        Delivery(
            job=job,
            result=result,
            decision=decision,
            destination=request.destination,
            destination_version=request.version,
            request=request.stored,
            request_hash=request.digest,
            created_at=decision.at,
            wake_at=leaves_at,
        )
        for request in requests
    ]
    Delivery.objects.bulk_create(deliveries)
    add_events(
        [
            Line(
                job.history,
                Delivery.EVENT_KIND,
                became=str(delivery.status),
                data=delivery.told | {"sha256": delivery.request_hash},
            )
            for delivery in deliveries
        ],
        actor=name_of(decision.by),
        now=decision.at,
    )
    return deliveries


def undo_window(review: Review) -> timedelta:
    """How long an approval can be taken back before anything leaves."""
    return review.terms.undo_window
