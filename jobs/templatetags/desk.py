"""Template tags of every page: badges, times, icons, labelled cells."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django import template
from django.forms import BoundField, CheckboxInput
from django.utils import timezone
from django.utils.html import conditional_escape, strip_tags
from django.utils.safestring import SafeString, mark_safe

from jobs.kit import looks

register = template.Library()

register.simple_tag(looks.icon)
register.filter("badge", looks.badge)
register.filter("flag", looks.flag)
register.filter("words", looks.words)
register.filter("short_id", looks.short_id)
register.filter("scope", looks.scope)
register.filter("moment", looks.moment)


@register.filter
def flag_meaning(name: str) -> str:
    """What a flag of a result means, in a sentence."""
    return looks.FLAGS.get(name, "")


@register.filter
def due(at: datetime | None) -> SafeString:
    """A time that turns red once it is past."""
    return looks.moment(at, due=True)


@register.filter
def dollars(amount: Decimal) -> str:
    """An amount with as many places as tell it: "$1.25", "$0.0042"."""
    return f"${amount:.2f}" if amount >= 1 else f"${amount:.4f}"


@register.filter
def span(length: timedelta) -> str:
    """A length of time in its largest unit."""
    return looks.span_of(length)


@register.filter
def is_past(at: datetime) -> bool:
    return at <= timezone.now()


@register.filter
def labelled(cells: Sequence[str], headers: Sequence[dict[str, Any]]) -> Iterator[str]:
    """The cells of an admin list, each with the name of its column.

    The narrow layout shows rows as cards, where a cell needs its label beside it.
    """
    for cell, header in zip(cells, headers, strict=False):
        label = conditional_escape(strip_tags(str(header["text"])).capitalize())
        tag = str(cell).lstrip()[:3]
        labelled = str(cell).replace(tag, f'{tag} data-label="{label}"', 1)
        yield mark_safe(labelled)  # noqa: S308  (made by the admin; label escaped)


@register.filter
def in_force(changes: Any) -> Iterator[tuple[str, str]]:
    """Which filters of an admin list are in force: their name and what is chosen."""
    for spec in changes.filter_specs:
        choices = list(spec.choices(changes))
        for choice in choices[1:]:
            if choice["selected"]:
                yield str(spec.title), str(choice["display"])


@register.filter
def is_checkbox(field: BoundField) -> bool:
    """Whether its label stands after it."""
    return isinstance(field.field.widget, CheckboxInput)


@register.filter
def is_long(value: Any) -> bool:
    """Whether a value needs a block of its own."""
    if isinstance(value, (dict, list)):
        return bool(value)
    return isinstance(value, str) and ("\n" in value or len(value) > 120)


@register.filter
def as_text(value: Any) -> str:
    """A value as people read it: text as it is, the rest as indented JSON."""
    if isinstance(value, str):
        return value
    return json.dumps(value, indent=2, ensure_ascii=False)
