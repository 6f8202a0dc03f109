"""What a reviewer has before the eyes: a decision counts for exactly that."""

from dataclasses import dataclass

from jobs.kit.canonical import digest_of
from reviews.models import Review
from reviews.services.requests import Request, draft_requests


@dataclass(frozen=True)
class Seen:
    """`digest` changes whenever anything changes that is decided on."""

    digest: str
    content_hash: str
    requests: list[Request]


def what_is_seen(review: Review) -> Seen:
    """The content, the requests that would leave, and the state of the review."""
    requests = draft_requests(review.result)
    content_hash = review.result.content_hash
    shown = [request.digest for request in requests]
    digest = digest_of([content_hash, shown, review.pk, review.revision])
    return Seen(digest, content_hash, requests)
