"""How statuses, times and icons look on every page: colour and text together."""

from datetime import datetime, timedelta
from functools import cache

from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

TONES = {  # of jobs and whatever else has a status; what is not named is idle
    "running": "busy",
    "at_work": "good",
    "active": "good",
    "archiving": "busy",
    "deleting": "busy",
    "sending": "busy",
    "requires_action": "wait",
    "awaiting_review": "wait",
    "uncertain": "wait",
    "in_force": "wait",
    "full": "wait",
    "waits": "wait",
    "orphan": "wait",
    "still_so": "bad",
    "completed": "good",
    "approved": "good",
    "delivered": "good",
    "woke": "good",
    "adopted": "good",
    "rejected": "bad",
    "failed": "bad",
    "refused": "bad",
}
FLAGS = {
    "partial": "It is incomplete: the model was cut off.",
    "refused": "The model refused to answer.",
    "off_schema": "It does not follow the schema of its type.",
    "moderated": "It was flagged by moderation.",
    "empty": "There is nothing in it.",
}
DASH = "\u2013"
NONE = format_html('<span class="none" aria-label="none">{}</span>', DASH)
UNITS = (("d", 86_400), ("h", 3_600), ("min", 60))


def words(name: str) -> str:
    """A status or code as words: "awaiting_review" is "Awaiting review"."""
    return name.replace("_", " ").capitalize()


def scope(name: str) -> str:
    """What a pause holds back, in words."""
    if name.startswith("destination:"):
        return "Deliveries to one destination"
    return "New starts" if name == "starts" else words(name)


def badge(status: str, said: str = "") -> SafeString:
    """A status as a coloured word, or as what is `said` of it."""
    tone, said = TONES.get(status, "idle"), said or words(status)
    return format_html('<span class="badge {}">{}</span>', tone, said)


def below(main: object, quiet: str) -> SafeString:
    """A cell with a quieter line below what matters, where there is one."""
    more = format_html('<span class="sub">{}</span>', quiet) if quiet else ""
    return format_html("{}{}", main, more)


def flag(name: str) -> SafeString:
    """A flag of a result: something a reviewer must not overlook."""
    return format_html('<span class="badge flag wait">{}</span>', words(name))


@cache
def icon(name: str, extra: str = "") -> SafeString:
    """A decorative icon of our own sprite; a page shows some twenty."""
    return format_html(
        '<svg class="icon {}" aria-hidden="true"><use href="{}#{}"></use></svg>',
        extra,
        static("bgreview/icons.svg"),
        name,
    )


def span_of(length: timedelta) -> str:
    """A length of time in its largest unit: "0.4 s", "12 s", "3 min", "2 h"."""
    seconds = abs(length.total_seconds())
    for unit, size in UNITS:
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"


def from_now(at: datetime, now: datetime | None = None) -> str:
    """How far a moment is from now: "3 min ago" or "in 2 h"."""
    length = (now or timezone.now()) - at
    return (
        f"{span_of(length)} ago" if length >= timedelta(0) else f"in {span_of(length)}"
    )


def moment(at: datetime | None, *, due: bool = False) -> SafeString:
    """A time as people say it, the exact one at hand; `due`: red once it is past."""
    if at is None:
        return NONE
    now = timezone.now()
    late = due and at <= now
    return format_html(
        '<time datetime="{}" title="{}" class="{}">{}</time>',
        at.isoformat(),
        timezone.localtime(at).strftime("%Y-%m-%d %H:%M:%S %Z"),
        "late" if late else "",
        f"{span_of(now - at)} overdue" if late else from_now(at, now),
    )


def short_id(public_id: object) -> SafeString:
    """The first characters of an id, the whole one at hand."""
    text = str(public_id)
    return format_html('<code class="quiet" title="{}">{}</code>', text, text[:8])


def progress_bar(percent: int | None, note: str = "") -> SafeString:
    """A bar with its number; unknown is said, never shown as nothing."""
    if percent is None:
        return format_html('<span class="sub">{}</span>', note or "progress unknown")
    return format_html(
        '<span class="sub"><progress max="100" value="{0}" aria-hidden="true">'
        "</progress> {0} %</span>",
        percent,
    )
