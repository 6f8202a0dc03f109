"""How jobs explain themselves once people and deliveries come into it."""

from jobs.explain import Explanation, explains
from jobs.models import Job
from reviews.models import Delivery, Review

Status = Job.Status


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
    rows = list(job.deliveries.select_related("destination"))
    owed = [d for d in rows if d.status != Delivery.Status.DELIVERED]
    if not rows:
        return Explanation("Approved; its type has no destination, so nothing is sent.")
    delivery = owed[0] if owed else rows[0]
    by_system = delivery.status in (Delivery.Status.PENDING, Delivery.Status.SENDING)
    sentence = (
        f"Approved; the delivery to {delivery.destination} is "
        f"{delivery.get_status_display()}."
    )
    if delivery.wake_at:
        sentence += f" Next look at {delivery.wake_at:%H:%M:%S} UTC."
    who = "system" if by_system else "operators"
    return Explanation(
        sentence, "deliver", who, "the delivery", job.finished_at, delivery.wake_at
    )


@explains(Status.DELIVERED)
def _delivered(job: Job) -> Explanation:
    to = ", ".join(str(d.destination) for d in job.deliveries.all())
    return Explanation(f"Approved and delivered to {to}.", since=job.finished_at)


@explains(Status.REJECTED)
def _rejected(job: Job) -> Explanation:
    event = job.events.filter(became=Status.REJECTED).last()
    by = event.actor if event else "a reviewer"
    why = f": {event.note}" if event and event.note else "."
    return Explanation(f"Rejected by {by}{why}", since=job.finished_at)
