"""What the review page shows of versions: what changed, and what was asked for."""

from typing import Any

from jobs.models import Result
from jobs.rendering import render_diff
from reviews.models import Review


def what_changed(review: Review) -> dict[str, Any]:
    """The comparisons of the version under review with those before it."""
    result = review.result
    found = []
    if result.parent:
        found.append(_compared("What the edit changed", result.origin, result))
    return {"comparisons": found}


def _compared(title: str, was: Result, now: Result) -> dict[str, Any]:
    schema = now.job.version.output_schema
    note = f"Version {now.number} against version {was.number}"
    html = render_diff(was.content, now.content, schema)
    return {"title": title, "note": note, "html": html}
