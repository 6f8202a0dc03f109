"""How jobs explain themselves once people and deliveries come into it."""

from jobs.explain import Explanation, explains
from jobs.models import Job
from reviews.models import Decision, Delivery, Review

Status = Job.Status
WHEN = "%d %b %H:%M UTC"


@explains(Status.AWAITING_REVIEW)
def _awaiting_review(job: Job) -> Explanation:
    review = Review.objects.open().filter(job=job).first()
    if review is None:
        return Explanation("Waits for a review that is not open: run the doctor.")
    sentence = f"Waits for a reviewer's decision by {review.due_at:%d %b %H:%M} UTC."
    return Explanation(
        sentence, "decide", "reviewers", "a decision", review.opened_at, review.due_at
    )


@explains(Status.APPROVED)
def _approved(job: Job) -> Explanation:
    decided, rows = _decided(job, "Approved"), _deliveries(job)
    if not rows:
        sentence = f"{decided}; its type has no destination, so nothing is sent."
        return Explanation(sentence, since=job.finished_at)
    owed = [d for d in rows if d.status != Delivery.Status.DELIVERED]
    delivery = owed[0] if owed else rows[0]
    by_system = delivery.status in (Delivery.Status.PENDING, Delivery.Status.SENDING)
    sentence = (
        f"{decided}; the delivery to {delivery.destination} is "
        f"{delivery.get_status_display()}."
    )
    if not by_system and (why := _why(delivery)):
        sentence += f" {why}"
    if delivery.wake_at:
        sentence += f" Next look at {delivery.wake_at:%H:%M:%S} UTC."
    who = "system" if by_system else "operators"
    return Explanation(
        sentence, "deliver", who, "the delivery", job.finished_at, delivery.wake_at
    )


@explains(Status.DELIVERED)
def _delivered(job: Job) -> Explanation:
    to = ", ".join(str(d.destination) for d in _deliveries(job))
    at = f"{job.finished_at:{WHEN}}"
    sentence = f"{_decided(job, 'Approved')}; delivered to {to}, {at}."
    return Explanation(sentence, since=job.finished_at)


@explains(Status.REJECTED)
def _rejected(job: Job) -> Explanation:
    decision = _last_decision(job)
    why = f": {decision.comment}" if decision and decision.comment else "."
    return Explanation(_decided(job, "Rejected") + why, since=job.finished_at)


def _why(delivery: Delivery) -> str:
    """What the history says of how it came to its status."""
    told = delivery.job.events.filter(kind="delivery", became=delivery.status)
    event = told.select_related("beside").order_by("seq").last()
    return event.note if event else ""


def _decided(job: Job, verdict: str) -> str:
    decision = _last_decision(job)
    return f"{verdict} by {decision.by}, {decision.at:{WHEN}}" if decision else verdict


def _last_decision(job: Job) -> Decision | None:
    found = Decision.objects.filter(review__job=job).select_related("by", "beside")
    return found.order_by("at").last()


def _deliveries(job: Job) -> list[Delivery]:
    return list(job.deliveries.select_related("destination").order_by("pk"))
