"""The gate: the last question before anything leaves."""

import json

from jobs.kit.canonical import digest_of
from jobs.models import Job
from reviews.models import Decision, Delivery


def why_not(delivery: Delivery) -> str:
    """Why this delivery may not be sent; empty when it may.

    What leaves is what a person approved: a decision to approve, on this very
    content, naming this very request, for a job that is approved and a destination
    that is still where it was.
    """
    decision, job, destination = delivery.decision, delivery.job, delivery.destination
    if decision.verdict != Decision.Verdict.APPROVE:
        return "Its decision is not an approval."
    if job.status != Job.Status.APPROVED:
        return f"The job is {job.get_status_display()}, not approved."
    if not decision.content_hash == job.approved_hash == delivery.result.content_hash:
        return "The result is not the one that was approved."
    found = _digest_now(delivery)
    if found != delivery.request_hash or found not in decision.request_hashes:
        return "The stored request is not the one that was approved."
    if not destination.is_active:
        return f"{destination} was switched off."
    if destination.current != delivery.destination_version:
        return f"{destination} was changed since the approval."
    if not destination.job_types.filter(pk=job.version.job_type_id).exists():
        return f"{destination} no longer gets results of this type."
    return ""


def _digest_now(delivery: Delivery) -> str:
    """The digest of what is stored; empty when that is no request at all."""
    try:
        stored = json.loads(delivery.request)
        return digest_of([delivery.destination_version_id, stored])
    except ValueError:
        return ""
