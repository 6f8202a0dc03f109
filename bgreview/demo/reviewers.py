"""Ann and Bob at the review desk, through the services that the pages call."""

from django.contrib.auth.models import User

from jobs.lifecycle import MoveRefused
from reviews.models import Review
from reviews.services.decide import approve, reject
from reviews.services.seen import what_is_seen

# Why, where the answer is no; Ann approves the others.
REJECTED = {
    "07-asks-for-an-address": "TODO",
    "08-used-bread-knife": "TODO",
    "09-scans-in-one-file": "TODO",
}


def decide(key: str, public_id: str) -> None:
    """Decide on this job, unless a visitor was first."""
    review = Review.objects.open().filter(job__public_id=public_id).first()
    if review is None:
        return
    seen, why = what_is_seen(review).digest, REJECTED.get(key)
    try:
        if why:
            reject(review, by=User.objects.get(username="bob"), seen=seen, comment=why)
        else:
            approve(review, by=User.objects.get(username="ann"), seen=seen)
    except MoveRefused:
        pass
