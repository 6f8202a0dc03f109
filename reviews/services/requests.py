"""What would be sent, and what is: one request per destination, rendered once.

Before the decision its author and time are not known: a draft leaves them out, and
apart from these it is what is stored and sent.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jobs.kit.canonical import canonical_json, digest_of
from jobs.models import Job, Result
from reviews.models import Destination, DestinationVersion

TO_COME = "(set when you decide)"
SUBJECT = 150  # characters
RESERVED = {  # ours to set: a destination's own headers may not stand in for them
    "connection",
    "content-length",
    "content-type",
    "host",
    "transfer-encoding",
    "user-agent",
    "webhook-id",
    "webhook-signature",
    "webhook-timestamp",
}


@dataclass(frozen=True)
class Request:
    """What one destination gets; `shown` is all of it apart from secrets."""

    version: DestinationVersion
    shown: dict[str, Any]

    @property
    def destination(self) -> Destination:
        return self.version.destination

    @property
    def kind(self) -> str:
        return self.destination.kind

    @property
    def stored(self) -> str:
        """The request as it is kept, and sent as kept."""
        return canonical_json(self.shown)

    @property
    def digest(self) -> str:
        return digest_of([self.version.pk, self.shown])

    @property
    def summary(self) -> str:
        """One line that says where it goes."""
        if self.kind == Destination.Kind.EMAIL:
            return f"Mail to {', '.join(self.shown['to'])}: {self.shown['subject']}"
        return f"{self.shown['method']} {self.shown['url']}"


def draft_requests(result: Result) -> list[Request]:
    """What an approval now would send: one for each destination of the job's type."""
    job_type = result.job.version.job_type
    going = job_type.destinations.filter(is_active=True).order_by("pk")
    drafts = [draft_request(destination, result) for destination in going]
    return [draft for draft in drafts if draft]


def draft_request(destination: Destination, result: Result) -> Request | None:
    """What this destination would get now; None while it has no address."""
    version = destination.current
    return _request(version, result, TO_COME, TO_COME) if version else None


def decided_requests(
    drafts: list[Request], result: Result, *, by: str, at: datetime
) -> list[Request]:
    """These very drafts with author and time; destinations are not looked up again."""
    return [_request(draft.version, result, by, at.isoformat()) for draft in drafts]


def _request(
    version: DestinationVersion, result: Result, by: str, when: str
) -> Request:
    if version.destination.kind == Destination.Kind.EMAIL:
        return Request(version, _email(version, result, by, when))
    return Request(version, _webhook(version, result, by, when))


def _webhook(
    version: DestinationVersion, result: Result, by: str, when: str
) -> dict[str, Any]:
    """The delivery body is a contract: README.md, "Deliveries"."""
    own = {k: v for k, v in version.headers.items() if k.lower() not in RESERVED}
    body = {
        "type": "job.approved",
        "timestamp": when,
        "data": {
            "job": _job(result.job),
            "result_version": result.number,
            "content": result.content,
            "content_sha256": result.content_hash,
            "decision": {"by": by, "at": when},
        },
    }
    headers = {**own, "content-type": "application/json", "user-agent": "bgreview"}
    return {
        "method": "POST",
        "url": version.address,
        "headers": headers,
        "body": canonical_json(body),
    }


def _job(job: Job) -> dict[str, Any]:
    return {
        "id": str(job.public_id),
        "type": job.version.job_type.name,
        "version": job.version.number,
        "title": job.title,
        "metadata": job.metadata,
    }


def _email(
    version: DestinationVersion, result: Result, by: str, when: str
) -> dict[str, Any]:
    to = [part.strip() for part in version.address.split(",") if part.strip()]
    subject = " ".join(str(result.job).split())[:SUBJECT]
    foot = (
        f"Approved by {by} at {when}.\n"
        f"Job {result.job.public_id}, version {result.number}, "
        f"SHA-256 {result.content_hash}."
    )
    return {
        "to": to,
        "subject": subject,
        "text": f"{_as_text(result.content)}\n\n-- \n{foot}\n",
    }


def _as_text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return json.dumps(content, indent=2, ensure_ascii=False)
