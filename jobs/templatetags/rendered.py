"""Template tags for text that the model or the web wrote: made harmless, always."""

import json
from collections.abc import Iterator
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.kit import looks
from jobs.kit.credentials import without_credentials
from jobs.kit.looks import words
from jobs.kit.strict_json import read_json
from jobs.models import Attempt
from jobs.rendering import render_value, safe_link, visible
from jobs.rendering.codepoints import visible_block

ORDER = ("method", "url", "handler", "to", "subject", "headers", "text", "body")

register = template.Library()
register.filter("visible", visible)
register.filter("visible_block", visible_block)


@register.simple_tag
def source(url: str = "", title: str = "", file: str = "") -> SafeString:
    """A source by its title, with the real host behind the link; or a file's name."""
    if url:
        return safe_link(url, title or url)
    return format_html("{}", visible(title or file or "a source without a name"))


@register.filter
def request_parts(shown: dict[str, Any]) -> Iterator[tuple[str, str, bool]]:
    """A request that would be or was sent: name, text, and whether it is a block.

    A JSON body is indented for reading; headers that may be credentials stay hidden.
    """
    order = [name for name in ORDER if name in shown]
    for name in [*order, *(name for name in shown if name not in ORDER)]:
        value = shown[name]
        if name == "headers":
            lines = (
                f"{key}: {said}" for key, said in without_credentials(value).items()
            )
            yield "Headers", "\n".join(lines), True
        elif isinstance(value, list):
            yield words(name), ", ".join(map(str, value)), False
        else:
            text = _indented(value) if name == "body" else str(value)
            yield words(name), text, name in ("body", "text")


def _indented(body: Any) -> str:
    """What is kept as text, or as fields for a handler."""
    text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if not isinstance(value, (dict, list)):
        return text
    return json.dumps(value, indent=2, ensure_ascii=False)


@register.filter
def arguments(text: str) -> str:
    """The arguments of a call, indented where that leaves nothing out."""
    try:
        return json.dumps(read_json(text.encode()), indent=2, ensure_ascii=False)
    except ValueError:
        return text


@register.filter
def own_input(attempt: Attempt) -> SafeString:
    """What an attempt ran with, where that is not the job's input now."""
    schema = {} if attempt.follows else attempt.job.version.input_schema
    return render_value(attempt.input, schema)


@register.filter
def took(attempt: Attempt) -> str:
    """How long an attempt ran, if it has ended."""
    if attempt.ended_at is None:
        return "still running"
    return looks.span_of(attempt.ended_at - (attempt.accepted_at or attempt.created_at))
