"""A result as safe HTML: rendered once, when it is first looked at, and kept."""

import re

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from jobs.models import Result
from jobs.rendering import Passage, render_text, render_value

# As jobs.rendering.passages writes them; in what a model wrote, quotes are escaped.
PASSAGE = re.compile(r' id="passage-\d+"')
TO_CITATION = 'href="#citation-'


def html_of(result: Result) -> SafeString:
    """Markdown with its citations marked, or a structured answer as a table."""
    if result.body and not result.html:
        html = _render(result)
        Result.objects.filter(pk=result.pk).update(html=html)
        result.html = html
    return mark_safe(result.html)  # noqa: S308  (made by jobs.rendering only)


def html_beside_others(result: Result, own_page: str) -> SafeString:
    """For a page of several results: its numbers lead to the page that is its own."""
    unnamed = PASSAGE.sub("", html_of(result))
    return mark_safe(  # noqa: S308  (as above; what was added is escaped)
        unnamed.replace(TO_CITATION, f'href="{escape(own_page)}#citation-')
    )


def _render(result: Result) -> str:
    content = result.content
    if isinstance(content, str):
        placed = result.citations.filter(is_detached=False)
        spans = placed.values_list("position", "start", "end")
        return render_text(content, [Passage(*span) for span in spans])
    return render_value(content, result.job.version.output_schema)
