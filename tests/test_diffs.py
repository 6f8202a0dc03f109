"""What changed between two versions: words of a text, fields of a structured result."""

import time

import pytest

from jobs.rendering import render_diff

SCHEMA = {
    "type": "object",
    "properties": {
        "title": {"type": "string", "title": "Title"},
        "steps": {
            "type": "array",
            "title": "Steps",
            "items": {"type": "object", "properties": {"do": {"title": "To do"}}},
        },
        "paid": {"type": ["boolean", "null"], "title": "Paid"},
    },
    "required": ["title", "steps", "paid"],
}


def test_words_that_went_and_came_are_marked():
    html = render_diff("It grows in Assam.\n", "It grows well in Japan.\n")
    assert html == (
        '<div class="diff">It grows <ins>well </ins>in '
        "<del>Assam</del><ins>Japan</ins>.\n</div>"
    )


def test_lines_far_from_any_change_are_skipped():
    lines = [f"Line {n}.\n" for n in range(20)]
    html = render_diff("".join(lines), "".join([*lines[:10], "New.\n", *lines[10:]]))
    assert "<ins>New.\n</ins>" in html
    assert "Line 9." in html
    assert "Line 11." in html
    assert "Line 5." not in html
    assert html.count("skipped") == 2


@pytest.mark.parametrize("value", ["The same.", {"title": "The same"}, [1, 2]])
def test_equal_versions_say_so(value):
    assert "Nothing was changed" in render_diff(value, value)


def test_fields_are_named_by_their_titles_and_only_changed_ones_are_shown():
    was = {"title": "Tea", "steps": [{"do": "boil"}, {"do": "pour it"}], "paid": None}
    steps = [{"do": "boil"}, {"do": "pour tea"}]
    now = {"title": "Tea", "steps": steps, "paid": False}
    html = render_diff(was, now, SCHEMA)
    assert "Steps 2 › To do" in html
    assert "pour <del>it</del><ins>tea</ins>" in html
    assert "<del>null</del><ins>false</ins>" in html
    assert html.count("<tr>") == 2


@pytest.mark.parametrize(
    ("was", "now", "parts"),
    [
        ({"a": 1}, {}, ["<del>1</del>"]),
        ({}, {"a": ""}, ["empty"]),
        ({"a": True}, {"a": 1}, ["<del>true</del>", "<ins>1</ins>"]),
        ({"a": [1]}, {"a": [1, 2]}, ["<ins>"]),
        ("half a {", {"a": 1}, ["<ins>"]),
    ],
)
def test_what_a_field_had_and_has_is_shown(was, now, parts):
    html = render_diff(was, now)
    assert all(part in html for part in parts)


HOSTILE = "<script>alert(1)</script>\u202e</div>"


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ("Tea.", HOSTILE),
        (HOSTILE, "Tea."),
        ({"a": "Tea."}, {"a": HOSTILE, HOSTILE: 1}),
        ({"a": 1}, HOSTILE),
    ],
)
def test_hostile_text_is_inert(was, now):
    html = render_diff(was, now)
    assert "<script" not in html
    assert "\u202e" not in html
    assert "U+202E" in html
    assert html.count("</div>") <= 1


@pytest.mark.parametrize(
    ("line", "other"),
    [("a b\n", "b a\n"), ("a b ", "b a "), ("[" * 100, "]["), ("\n", "x")],
)
def test_a_monotonous_text_is_compared_in_good_time(line, other):
    began = time.process_time()
    render_diff(line * (100_000 // len(line)), other * (100_000 // len(other)))
    render_diff(line * 400, (line * 3 + other) * 100)
    assert time.process_time() - began < 3
