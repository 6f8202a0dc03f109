"""What webhooks tell: events, and the delivery of each to one endpoint."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
from standardwebhooks.webhooks import Webhook

from .items import new_id

RESPONSE_EVENTS = (
    "response.completed",
    "response.failed",
    "response.cancelled",
    "response.incomplete",
)
OTHER_EVENTS = """
    batch.completed batch.failed batch.expired batch.cancelled
    eval.run.succeeded eval.run.failed eval.run.canceled
    fine_tuning.job.succeeded fine_tuning.job.failed fine_tuning.job.cancelled
    realtime.call.incoming video.completed video.failed
    agent.environment.ready agent.environment.failed agent.environment.suspended
    agent.environment.expired agent.session.created agent.session.action_required
    agent.session.in_progress agent.session.idle agent.session.failed
    safety.alert.created
"""
EVENT_TYPES = (*RESPONSE_EVENTS, *OTHER_EVENTS.split())


@dataclass(frozen=True)
class Event:
    """Something that happened to a response; what, one has to ask the API."""

    type: str
    about: str
    created_at: float
    id: str = field(default_factory=lambda: new_id("evt"))
    webhook_id: str = field(default_factory=lambda: new_id("wh"))

    def body(self) -> bytes:
        """The same bytes at every try."""
        return orjson.dumps(
            {
                "id": self.id,
                "object": "event",
                "created_at": int(self.created_at),
                "type": self.type,
                "data": {"id": self.about},
            }
        )

    def headers(self, secrets: Iterable[str], now: datetime) -> dict[str, str]:
        """One signature for each secret, so that secrets can be changed."""
        said = self.body().decode()
        signatures = [
            Webhook(secret).sign(msg_id=self.webhook_id, timestamp=now, data=said)
            for secret in secrets
        ]
        return {
            "content-type": "application/json",
            "user-agent": "OpenAI/1.0 (sandbox)",
            "webhook-id": self.webhook_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signatures),
        }


@dataclass
class Delivery:
    """An event on its way to one endpoint."""

    event: Event
    endpoint: str
    sent: int = 0
    answered: int | None = None
    acknowledged: bool = False

    def shown(self) -> dict[str, Any]:
        """As it stands in the ledger."""
        return {
            "webhook_id": self.event.webhook_id,
            "type": self.event.type,
            "endpoint": self.endpoint,
            "sent": self.sent,
            "answered": self.answered,
            "acknowledged": self.acknowledged,
        }
