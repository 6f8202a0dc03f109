"""Structured results: laid out by their schema, whole and harmless."""

import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.rendering import render_value, values, visible
from tests.markup import TEXTS, Page


def table(*rows: tuple[str, str]) -> str:
    cells = "".join(f'<tr><th scope="row">{k}</th><td>{v}</td></tr>' for k, v in rows)
    return f'<table class="record"><tbody>{cells}</tbody></table>'


def bullets(*items: str) -> str:
    return f'<ul class="values">{"".join(f"<li>{item}</li>" for item in items)}</ul>'


NONE = '<span class="none">\u2014</span>'
EMPTY = '<span class="none">empty</span>'
RECORDS = (
    '<table class="records"><thead><tr><th scope="col">a</th><th scope="col">b</th>'
    "</tr></thead><tbody><tr><td>1</td><td>yes</td></tr>"
    f"<tr><td>2</td><td>{NONE}</td></tr></tbody></table>"
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, NONE),
        (True, "yes"),
        (False, "no"),
        (0, "0"),
        (1.5, "1.5"),
        (-1e300, "-1e+300"),
        (float("nan"), "nan"),
        ("", EMPTY),
        ({}, EMPTY),
        ([], EMPTY),
        ("<b>\r\n*b*", "&lt;b&gt;<br>*b*"),
        ("javascript:alert(1)", "javascript:alert(1)"),
        ({"a": 1, "<b>": None}, table(("a", "1"), ("&lt;b&gt;", NONE))),
        ({"a": {"b": [1, "x"]}}, table(("a", table(("b", bullets("1", "x")))))),
        ([{"a": 1}, {"b": 2}], bullets(table(("a", "1")), table(("b", "2")))),
        ([{"a": 1, "b": True}, {"b": None, "a": 2}], RECORDS),
        (
            [{str(n): n for n in range(9)}],
            bullets(table(*((str(n), str(n)) for n in range(9)))),
        ),
    ],
)
def test_a_value_is_laid_out(value, expected):
    html = render_value(value)
    Page(html)
    assert html == expected


def test_what_we_forget_to_escape_is_cleaned(monkeypatch):
    monkeypatch.setattr(values, "visible", lambda text: text)
    html = render_value({"a<script>alert(1)</script><img src=x>": 1})
    assert html == table(("a", "1"))


def test_an_address_in_a_value_is_a_link_that_shows_its_host():
    html = render_value({"url": "https://\u0430pple.com/"})
    assert [link["href"] for link in Page(html).links] == ["https://xn--pple-43d.com/"]
    assert '<span class="host">xn--pple-43d.com</span>' in html


SCHEMA = {
    "$defs": {
        "Source": {"title": "S", "properties": {"url": {"title": "Address"}}},
        "Loop": {"$ref": "#/$defs/Loop"},
    },
    "properties": {
        "ok": {"title": "Is it <b>so</b>?"},
        "one": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/Source"}]},
        "many": {"type": "array", "items": {"$ref": "#/$defs/Source"}},
        "loop": {"$ref": "#/$defs/Loop"},
        "odd": {"title": 5, "properties": ["x"], "items": True},
    },
}


def test_the_schema_gives_the_titles():
    value = {
        "ok": True,
        "one": {"url": "a"},
        "many": [{"url": "b"}],
        "loop": {"x": 1},
        "odd": {"y": [{"z": 1}]},
    }
    html = render_value(value, SCHEMA)
    heads = re.findall(r"<th [^>]*>(.*?)</th>", html)
    assert heads == [
        "Is it &lt;b&gt;so&lt;/b&gt;?", "one", "Address", "many", "Address", "loop",
        "x", "odd", "y", "z",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "schema",
    [
        None,
        {},
        {"$ref": "#/no"},
        {"$ref": "#"},
        {"anyOf": []},
        {"anyOf": 5},
        {"properties": 5},
    ],
)
def test_a_schema_of_no_use_does_no_harm(schema):
    assert render_value({"a": 1}, schema) == table(("a", "1"))


def nested(depth: int) -> Any:
    value: Any = "needle"
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (nested(50), "nested too deeply"),
        (nested(100_000), "nested too deeply"),
        ([1] * 100_000, "too large"),
        ("a" * 300_000, "too large"),
        ({"k" * 300_000: 1}, "too large"),
        (["\u202e\u200b" * 100] * 1_500, "too large"),
    ],
    ids=["deep", "very deep", "wide", "long", "long key", "hidden"],
)
def test_a_value_beyond_reading_is_shown_as_json(value, why):
    began = time.thread_time()
    html = render_value(value)
    assert time.thread_time() - began < 1
    assert why in html
    assert '<pre class="plain">' in html


def test_a_deep_value_keeps_its_words():
    assert "needle" in render_value(nested(50))


# ---- any value at all ---------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
    max_leaves=20,
)


@given(JSON)
def test_any_value_is_harmless(value):
    Page(render_value(value))
    Page(visible(str(value)))
