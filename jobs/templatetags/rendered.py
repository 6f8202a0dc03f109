"""Template tags for text that the model or the web wrote: made harmless, always."""

from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.kit import looks
from jobs.models import Attempt
from jobs.rendering import render_value, safe_link, visible
from jobs.rendering.codepoints import visible_block

register = template.Library()
register.filter("visible", visible)
register.filter("visible_block", visible_block)


@register.simple_tag
def source(url: str = "", title: str = "", file: str = "") -> SafeString:
    """A source by its title, with the real host behind the link; or a file's name."""
    if url:
        return safe_link(url, title or url)
    return format_html("{}", visible(title or file or "a source without a name"))


@register.simple_tag
def request_record(shown: dict[str, Any]) -> SafeString:
    """What would be sent, field by field; the body as it goes on the wire."""
    return render_value(shown, {})


@register.filter
def took(attempt: Attempt) -> str:
    """How long an attempt ran, if it has ended."""
    if attempt.ended_at is None:
        return "still running"
    return looks.span_of(attempt.ended_at - (attempt.accepted_at or attempt.created_at))
