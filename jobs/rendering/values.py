"""A structured result as HTML: tables a person can read instead of JSON."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.safestring import SafeString

from jobs.rendering.cleaning import clean, trusted
from jobs.rendering.codepoints import visible, visible_block
from jobs.rendering.links import read_link, safe_link
from jobs.rendering.passages import with_plain_breaks
from jobs.rendering.schemas import Shape
from jobs.rendering.text import render_plain

MAX_DEPTH = 10
MAX_VALUES = 5_000
MAX_CHARS = 200_000
MAX_COLUMNS = 8  # a wider array reads better as a table per object

TOO_DEEP = "it is nested too deeply to lay out"
TOO_LARGE = "it is too large to lay out"

NOTHING = '<span class="none">\u2014</span>'
EMPTY = '<span class="none">empty</span>'


def render_value(value: Any, schema: Mapping[str, Any] | None = None) -> SafeString:
    """JSON as nested tables and lists, under the titles its schema gives."""
    why = too_much(value)
    if why:
        return render_plain(_as_json(value, why), why=why)
    return trusted(clean(_html(value, Shape(schema or {}))))


def _html(value: Any, shape: Shape) -> str:
    match value:
        case None:
            return NOTHING
        case bool():
            return "yes" if value else "no"
        case str():
            return _string(value)
        case dict():
            return _record(value, shape)
        case list() | tuple():
            return _array(value, shape)
        case _:
            return visible(str(value))


def _string(value: str) -> str:
    if read_link(value):
        return safe_link(value, value)
    if not value:
        return EMPTY
    text, _ = with_plain_breaks(value, ())
    return visible_block(text).replace("\n", "<br>")


def _record(record: dict[Any, Any], shape: Shape) -> str:
    if not record:
        return EMPTY
    rows = [
        f'<tr><th scope="row">{visible(shape.title(key))}</th>'
        f"<td>{_html(record[key], shape.property(key))}</td></tr>"
        for key in shape.in_order(record)
    ]
    return f'<table class="record"><tbody>{"".join(rows)}</tbody></table>'


def _array(items: Sequence[Any], shape: Shape) -> str:
    if not items:
        return EMPTY
    if columns := _columns(items):
        return _records(items, shape.items().in_order(columns), shape.items())
    entries = [f"<li>{_html(item, shape.items())}</li>" for item in items]
    return f'<ul class="values">{"".join(entries)}</ul>'


def _columns(items: Sequence[Any]) -> list[Any]:
    """The keys all the items have, if they are objects of one make."""
    first = items[0]
    if not isinstance(first, dict) or not 0 < len(first) <= MAX_COLUMNS:
        return []
    alike = all(isinstance(i, dict) and i.keys() == first.keys() for i in items)
    return list(first) if alike else []


def _records(
    records: Sequence[dict[Any, Any]], columns: Sequence[Any], shape: Shape
) -> str:
    heads = [f'<th scope="col">{visible(shape.title(key))}</th>' for key in columns]
    rows = [
        [f"<td>{_html(record[key], shape.property(key))}</td>" for key in columns]
        for record in records
    ]
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    return (
        f'<table class="records"><thead><tr>{"".join(heads)}</tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )


def too_much(value: Any) -> str:
    """Why the value cannot be laid out, if so; without recursion, for it is hostile."""
    waiting, values, chars = [(value, 1)], 0, 0
    while waiting:
        item, depth = waiting.pop()
        values += 1
        inside: list[Any] = []
        if isinstance(item, dict):
            inside = list(item.values())
            chars += sum(len(str(key)) for key in item)
        elif isinstance(item, list | tuple):
            inside = list(item)
        elif isinstance(item, str):
            chars += len(item)
        if depth > MAX_DEPTH:
            return TOO_DEEP
        if values > MAX_VALUES or chars > MAX_CHARS:
            return TOO_LARGE
        waiting += [(each, depth + 1) for each in inside]
    return ""


def _as_json(value: Any, why: str) -> str:
    # The indents of what is deep could be a thousand times its size.
    indent = 2 if why == TOO_LARGE else None
    try:
        return json.dumps(value, ensure_ascii=False, indent=indent, default=str)
    except RecursionError:
        return "(nested too deeply to show)"
