"""Status events for whoever asked: where they may go, and writing them down."""

import structlog

from jobs.models import Job, JobEvent
from reviews.delivery.guard import Forbidden
from reviews.delivery.prefix import lies_under, plain
from reviews.models import Callback, Destination, DestinationVersion

log = structlog.get_logger(__name__)
S = Job.Status
TOLD = {
    S.COMPLETED,
    S.AWAITING_REVIEW,
    S.APPROVED,
    S.DELIVERED,
    S.REJECTED,
    S.FAILED,
    S.CANCELLED,
    S.EXPIRED,
    S.ABANDONED,
}


def why_not_call_back(url: str) -> str:
    """Why nothing is sent to this URL; empty when it lies under a destination."""
    try:
        plain(url)
    except Forbidden as error:
        return str(error)
    if destination_for(url) is None:
        return "It does not lie under a destination that takes callbacks."
    return ""


def destination_for(url: str) -> Destination | None:
    """Which active destination takes callbacks there: the one nearest to it."""
    takers = Destination.objects.filter(
        kind=Destination.Kind.WEBHOOK, is_active=True, takes_callbacks=True
    )
    found = [
        (len(version.address), destination)
        for destination in takers.order_by("pk")
        if (version := destination.current) and lies_under(url, version.address)
    ]
    return max(found, key=lambda pair: pair[0])[1] if found else None


def url_for(version: DestinationVersion, job: Job) -> str:
    """Where the job's result goes: a callback_url under this address is more exact."""
    asked = job.callback_url
    if asked and destination_for(asked) == version.destination:
        return asked
    return version.address


def tell_status(job: Job, event: JobEvent) -> None:
    """Write down that this is to be told; in the transaction of the move itself."""
    if not job.callback_url or event.became not in TOLD:
        return
    destination = destination_for(job.callback_url)
    if destination is None:
        log.warning("no destination takes a callback any more", job=str(job.public_id))
        return
    Callback.objects.create(
        job=job,
        destination=destination,
        type=f"job.{event.became}",
        at=event.at,
        wake_at=event.at,
    )
