"""What the content of a job is over here, and which jobs must keep theirs."""

from django.db.models import Exists, OuterRef, Q

from jobs.services.erase import Part, register
from reviews.models import (
    Callback,
    ChangeRequest,
    Check,
    DecisionComment,
    Delivery,
    DeliveryAttempt,
)
from reviews.services.settle import OVER

UNFINISHED = Delivery.objects.filter(job=OuterRef("pk")).exclude(status__in=OVER)

register(
    Part("decisions' comments", DecisionComment, "decision__review__job"),
    Part("requested changes", ChangeRequest, "decision__review__job", {"text": ""}),
    Part("checks", Check, "review__job", {"why": ""}),
    Part("deliveries", Delivery, "job", {"request": ""}),
    Part(
        "delivery tries",
        DeliveryAttempt,
        "delivery__job",
        {"outcome": "", "answer": ""},
    ),
    Part("status events", Callback, "job", {"answer": ""}),
    kept_for={"unfinished deliveries": Q(Exists(UNFINISHED))},
)
