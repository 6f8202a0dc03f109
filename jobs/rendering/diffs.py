"""What changed between two versions of a result, as HTML that cannot act."""

import json
import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from itertools import chain
from typing import Any

from django.utils.safestring import SafeString

from jobs.rendering.cleaning import trusted
from jobs.rendering.codepoints import visible, visible_block
from jobs.rendering.passages import with_plain_breaks
from jobs.rendering.schemas import Shape
from jobs.rendering.values import too_much

CONTEXT = 2  # unchanged lines shown around a change
MOST_WORDS = 4_000  # on both sides of one change; more are not compared word by word
_WORDS = re.compile(r"\s+|\w+|[^\w\s]")

SKIPPED = '<span class="skipped">…</span>\n'
SAME = '<p class="quiet">Nothing was changed.</p>'


def render_diff(was: Any, now: Any, schema: Any = None) -> SafeString:
    """Words that went and words that came; of structured results, field by field."""
    if isinstance(was, str) and isinstance(now, str):
        return trusted(_text(was, now))
    if type(was) is not type(now) or too_much(was) or too_much(now):
        return trusted(_text(*map(_as_text, (was, now))))
    return trusted(_fields(was, now, Shape(schema or {})))


# ---- text --------------------------------------------------------------------------


def _text(was: str, now: str) -> str:
    body = "".join(_lines(_plain(was), _plain(now)))
    return f'<div class="diff">{body}</div>' if body else SAME


def _plain(text: str) -> str:
    return with_plain_breaks(text, ())[0]


def _lines(was: str, now: str) -> Iterator[str]:
    old, new = was.splitlines(keepends=True), now.splitlines(keepends=True)
    matcher = SequenceMatcher(None, old, new)
    done = 0
    for group in matcher.get_grouped_opcodes(CONTEXT):
        if group[0][1] > done:
            yield SKIPPED
        for op, a, b, c, d in group:
            before, after = "".join(old[a:b]), "".join(new[c:d])
            yield visible_block(before) if op == "equal" else _words(before, after)
        done = group[-1][2]
    if 0 < done < len(old):
        yield SKIPPED


def _words(was: str, now: str) -> str:
    old, new = _WORDS.findall(was), _WORDS.findall(now)
    if len(old) + len(new) > MOST_WORDS:
        return _gone(was) + _came(now)
    matcher = SequenceMatcher(None, old, new)
    return "".join(
        visible_block("".join(old[a:b]))
        if op == "equal"
        else _gone("".join(old[a:b])) + _came("".join(new[c:d]))
        for op, a, b, c, d in matcher.get_opcodes()
    )


def _gone(text: str) -> str:
    return f"<del>{visible_block(text)}</del>" if text else ""


def _came(text: str) -> str:
    return f"<ins>{visible_block(text)}</ins>" if text else ""


# ---- fields ------------------------------------------------------------------------


def _fields(was: Any, now: Any, shape: Shape) -> str:
    rows = "".join(
        f'<tr><th scope="row">{name}</th><td>{_value(old, new)}</td></tr>'
        for name, old, new in _changes(was, now, shape, "")
    )
    return f'<table class="record diff"><tbody>{rows}</tbody></table>' if rows else SAME


def _value(old: str | None, new: str | None) -> str:
    if old is None or new is None:
        return _gone(old or "") + _came(new or "") or '<ins class="none">empty</ins>'
    return _words(_plain(old), _plain(new))


def _changes(
    was: Any, now: Any, shape: Shape, path: str
) -> Iterator[tuple[str, str | None, str | None]]:
    """The place of each change, with the values before and after as text."""
    if isinstance(was, dict) and isinstance(now, dict):
        for key in shape.in_order(dict.fromkeys(chain(was, now))):
            name = f"{path} › {shape.title(key)}" if path else str(shape.title(key))
            pair = was.get(key, _ABSENT), now.get(key, _ABSENT)
            yield from _changes(*pair, shape.property(key), name)
    elif isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        for number, pair in enumerate(zip(was, now, strict=True), start=1):
            yield from _changes(*pair, shape.items(), f"{path} {number}")
    elif not _equal(was, now):
        yield visible(path), _as_text(was), _as_text(now)


class _Absent:
    """No such field: neither null nor empty."""


_ABSENT = _Absent()


def _equal(was: Any, now: Any) -> bool:
    return type(was) is type(now) and bool(was == now)


def _as_text(value: Any) -> Any:
    if isinstance(value, _Absent):
        return None
    if isinstance(value, str):
        return value
    return json.dumps(value, indent=2, ensure_ascii=False)
