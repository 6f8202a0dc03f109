"""The rows of deciding and delivering, a file per noun."""

from reviews.models.decision import Decision, DecisionComment
from reviews.models.delivery import Delivery, DeliveryAttempt
from reviews.models.destination import Destination, DestinationVersion
from reviews.models.policy import ReviewPolicy
from reviews.models.review import Check, CitationVerdict, Review

__all__ = [
    "Check",
    "CitationVerdict",
    "Decision",
    "DecisionComment",
    "Delivery",
    "DeliveryAttempt",
    "Destination",
    "DestinationVersion",
    "Review",
    "ReviewPolicy",
]
