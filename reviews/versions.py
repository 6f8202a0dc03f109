"""What the review page shows of versions: what changed, and what was asked for."""

from typing import Any

from jobs.models import Result
from jobs.rendering import render_diff
from reviews.models import Review
from reviews.services.request_changes import last_request, why_no_more_rounds


def what_changed(review: Review) -> dict[str, Any]:
    """The version under review against those before it, and the requested changes."""
    result, found, asked = review.result, [], last_request(review)
    if result.parent:
        found.append(_compared("What the edit changed", result.origin, result))
    if asked:
        title = "What changed since changes were requested"
        found.append(_compared(title, asked.result, result))
    return {
        "comparisons": found,
        "asked": asked,
        "changes": asked.change_requests.select_related("judged_by") if asked else [],
        "no_more_rounds": "" if review.closed_at else why_no_more_rounds(review),
    }


def _compared(title: str, was: Result, now: Result) -> dict[str, Any]:
    schema = now.job.version.output_schema
    note = f"Version {now.number} against version {was.number}"
    html = render_diff(was.content, now.content, schema)
    return {"title": title, "note": note, "html": html}
