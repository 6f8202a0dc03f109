"""Status events for whoever asked: where they may go, and writing them down."""

from collections.abc import Collection

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


Takers = list[tuple[str, Destination]]


def why_not_call_back(urls: Collection[str]) -> dict[str, str]:
    """Which of these nothing is sent to, and why: those under no destination."""
    takers = _takers() if urls else []
    return {url: why for url in urls if (why := _why_not(url, takers))}


def destination_for(url: str) -> Destination | None:
    """Which active destination takes callbacks there: the one nearest to it."""
    return _nearest(url, _takers())


def _takers() -> Takers:
    """Those that take callbacks, with the address of each."""
    rows = Destination.objects.filter(
        kind=Destination.Kind.WEBHOOK, is_active=True, takes_callbacks=True
    )
    found = [(each.current, each) for each in rows.order_by("pk")]
    return [(version.address, each) for version, each in found if version]


def _nearest(url: str, takers: Takers) -> Destination | None:
    found = [taker for taker in takers if lies_under(url, taker[0])]
    return max(found, key=lambda taker: len(taker[0]))[1] if found else None


def _why_not(url: str, takers: Takers) -> str:
    try:
        plain(url)
    except Forbidden as error:
        return str(error)
    if _nearest(url, takers) is None:
        return "It does not lie under a destination that takes callbacks."
    return ""


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
