"""The rows of deciding and delivering, a file per noun."""

from reviews.models.callback import Callback
from reviews.models.change_request import ChangeRequest
from reviews.models.decision import Decision, DecisionComment
from reviews.models.delivery import Delivery, DeliveryAttempt
from reviews.models.destination import Destination, DestinationVersion
from reviews.models.policy import ReviewPolicy
from reviews.models.review import Check, CitationVerdict, Review
from reviews.models.tool_decision import ToolDecision
from reviews.models.viewing import Viewing

__all__ = [
    "Callback",
    "ChangeRequest",
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
    "ToolDecision",
    "Viewing",
]
