"""Model output, which is hostile until shown otherwise, as HTML that cannot act."""

from jobs.rendering.codepoints import visible
from jobs.rendering.diffs import render_diff
from jobs.rendering.links import safe_link
from jobs.rendering.passages import Passage
from jobs.rendering.text import render_plain, render_text
from jobs.rendering.values import render_value

__all__ = [
    "Passage",
    "render_diff",
    "render_plain",
    "render_text",
    "render_value",
    "safe_link",
    "visible",
]
