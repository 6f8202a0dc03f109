"""The deliveries that follow from an approval, written with it."""

from jobs.kit.rights import name_of
from jobs.lifecycle import Line, add_events
from reviews.models import Decision, Delivery
from reviews.services.requests import requests_for


def plan_deliveries(decision: Decision) -> list[Delivery]:
    """Store what goes to each destination; the outbox sends it as stored."""
    job, result = decision.review.job, decision.result
    requests = requests_for(result, by=name_of(decision.by), at=decision.at)
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
            wake_at=decision.at,
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
                data={"to": str(delivery.destination), "sha256": delivery.request_hash},
            )
            for delivery in deliveries
        ],
        actor=name_of(decision.by),
        now=decision.at,
    )
    return deliveries
