"""What the review page shows of versions: what changed, and what was asked for."""

import json
from difflib import unified_diff
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


def changes_as_text(was: Result, now: Result) -> str:
    """The same for programs, as a unified diff: of text, or of indented JSON."""
    old, new = (_as_lines(one.content) for one in (was, now))
    names = (f"version {was.number}", f"version {now.number}")
    return "\n".join(unified_diff(old, new, *names, lineterm=""))


def _as_lines(content: Any) -> list[str]:
    if not isinstance(content, str):
        content = json.dumps(content, indent=2, ensure_ascii=False)
    return content.splitlines()


def _compared(title: str, was: Result, now: Result) -> dict[str, Any]:
    schema = now.job.version.output_schema
    note = f"Version {now.number} against version {was.number}"
    html = render_diff(was.content, now.content, schema)
    return {"title": title, "note": note, "html": html}
