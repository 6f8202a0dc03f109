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
from reviews.delivery.headers import own_headers
from reviews.models import Destination, DestinationVersion
from reviews.models.decision import reference_of
from reviews.services.callbacks import url_for

TO_COME = "(set when you decide)"
SUBJECT = 150  # characters


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
        if self.kind == Destination.Kind.HANDLER:
            return f"Call of {self.shown['handler']}"
        return f"{self.shown['method']} {self.shown['url']}"


def draft_requests(result: Result) -> list[Request]:
    """What an approval now would send: one for each destination of the job's type."""
    versions = receivers_of(result.job.version.job_type_id)
    return [draft_to(version, result) for version in versions]


def receivers_of(job_type: int) -> list[DestinationVersion]:
    """Where results of this type go now; a destination without an address is none."""
    going = Destination.objects.filter(job_types=job_type, is_active=True)
    versions = (destination.current for destination in going.order_by("pk"))
    return [version for version in versions if version]


def draft_request(destination: Destination, result: Result) -> Request | None:
    """What this destination would get now; None while it has no address."""
    version = destination.current
    return draft_to(version, result) if version else None


def draft_to(version: DestinationVersion, result: Result) -> Request:
    """What this address would get now."""
    url = url_for(version, result.job)
    return _request(version, result, url, by=TO_COME, when=TO_COME)


def decided_requests(
    drafts: list[Request], result: Result, *, by: str, at: datetime
) -> list[Request]:
    """These very drafts with author and time; destinations are not looked up again."""
    when = at.isoformat()
    return [
        _request(draft.version, result, draft.shown.get("url", ""), by=by, when=when)
        for draft in drafts
    ]


def _request(
    version: DestinationVersion, result: Result, url: str, *, by: str, when: str
) -> Request:
    decision = _decision(result, by, when)
    if version.destination.kind == Destination.Kind.EMAIL:
        return Request(version, _email(version, result, decision))
    if version.destination.kind == Destination.Kind.HANDLER:
        body = _body(result, decision)
        return Request(version, {"handler": version.address, "body": body})
    return Request(version, _webhook(version, result, url, decision))


def _decision(result: Result, by: str, when: str) -> dict[str, str]:
    """Who and when, and an id that ties both to the job and to the approved hash."""
    if when == TO_COME:
        return {"id": TO_COME, "by": by, "at": when}
    reference = reference_of(result.job, result.content_hash, by, when)
    return {"id": reference, "by": by, "at": when}


def _webhook(
    version: DestinationVersion, result: Result, url: str, decision: dict[str, str]
) -> dict[str, Any]:
    proof = {
        "bgreview-decision": decision["id"],
        "bgreview-content-sha256": result.content_hash,
    }
    return {
        "method": "POST",
        "url": url,
        "headers": own_headers(version.headers) | proof,
        "body": canonical_json(_body(result, decision)),
    }


def _body(result: Result, decision: dict[str, str]) -> dict[str, Any]:
    """The delivery body is a contract: README.md, "Receive a delivery"."""
    return {
        "type": "job.approved",
        "timestamp": decision["at"],
        "data": {
            "job": _job(result.job),
            "result_version": result.number,
            "content": result.content,
            "content_sha256": result.content_hash,
            "decision": decision,
        },
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
    version: DestinationVersion, result: Result, decision: dict[str, str]
) -> dict[str, Any]:
    to = [part.strip() for part in version.address.split(",") if part.strip()]
    subject = " ".join(str(result.job).split())[:SUBJECT]
    foot = (
        f"Approved by {decision['by']} at {decision['at']}.\n"
        f"Job {result.job.public_id}, version {result.number}, "
        f"SHA-256 {result.content_hash}.\nDecision {decision['id']}."
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
