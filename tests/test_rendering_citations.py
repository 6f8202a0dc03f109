"""Citations in rendered output: the passages they stand at, and their numbers."""

import re

import pytest

from jobs.rendering import Passage, render_plain, render_text
from jobs.rendering import text as rendering_text
from tests.markup import Page, cite, shown, without_marks

REPORT = """\
# Ports

Shore power cut *emissions* by 38 % ([Report](https://port.example/a_b_c)), see [x][1].

- one `code span` two
- ![A photo](https://e.example/p.png) here
- a [link text](https://two.example/) b

| a | b |
| --- | --- |
| \\| c | d | de |

> quoted\r
> again

```python
x = 1
```

    indented

[1]: https://ref.example/ "Title"
"""


def span(passage: str, number: int = 1) -> Passage:
    start = REPORT.index(passage)
    return Passage(number, start, start + len(passage))


MARK = '<mark class="passage" id="passage-1" data-citation="1">'
AGAIN = MARK.replace(' id="passage-1"', "")
NAMED = '<a class="cite" id="passage-1" href="#citation-1">1</a>'  # with no mark before


def test_a_passage_is_marked_and_followed_by_its_number():
    html = shown("Power cut it. Cars did.", Passage(3, 6, 9))
    assert html == (
        '<p>Power <mark class="passage" id="passage-3" data-citation="3">cut</mark>'
        f"{cite(3)} it. Cars did.</p>"
    )


def test_the_marker_of_a_cited_link_follows_it():
    html = shown(REPORT, span("([Report](https://port.example/a_b_c))"))
    assert f"{MARK}(</mark><a " in html
    assert f"{AGAIN}Report</mark></a>" in html
    assert f"{AGAIN}port.example</mark></span>{AGAIN})</mark>{cite()}, see" in html


@pytest.mark.parametrize(
    ("passage", "expected"),
    [
        ("Report", f"port.example</mark></span>{cite()}),"),
        ("port.example/a_b", f"port.example</span>{NAMED})"),
        ("emissions", f"<em>{MARK}emissions</mark>{cite()}</em>"),
        ("38 % ", f"{MARK}38 % </mark>{cite()}("),
        ("one `code", f"{MARK}one </mark><code>{AGAIN}code span</mark></code>{cite()}"),
        ("d | de", f"{MARK}d</mark></td><td>{AGAIN}de</mark>{cite()}"),
        ("c | d |", f"<td>| {MARK}c</mark></td><td>{AGAIN}d</mark>{cite()}</td>"),
        ("A ph", f"A photo (https://e.example/p.png){NAMED} here"),
        ("x = 1", f"{MARK}x = 1</mark>{cite()}"),
        ("= 1\n```", f"{MARK}= 1</mark>{cite()}"),
        ("quoted\r\n> again", f"{MARK}quotedagain</mark>{cite()}"),
        ("indented", f"{MARK}indented</mark>{cite()}"),
        ("```python", f"again{NAMED}"),  # nothing of these is text: the number stands
        ("ref.example/", f"indented{NAMED}"),  # after the last text before it
    ],
)
def test_a_passage_is_found_wherever_it_lies(passage, expected):
    html = shown(REPORT, span(passage))
    assert Page(html).cited == ["1"]
    assert expected in html


@pytest.mark.parametrize(
    "spans",
    [
        [(-5, -1)],
        [(-5, 9)],
        [(0, 10**9)],
        [(10**9, 10**10)],
        [(9, 3)],
        [(5, 5)],
        [(0, 40), (20, 60), (30, 50), (0, 40), (0, 300)],
        [(i, i + 7) for i in range(0, 380, 3)],
        [(i, i) for i in range(380)],
        [(0, i) for i in range(380)],
    ],
)
def test_no_span_breaks_the_markup_or_loses_a_number(spans):
    passages = [Passage(n, *each) for n, each in enumerate(spans, 1)]
    for render in (render_text, render_plain):
        html = render(REPORT, passages)
        page = Page(html)
        assert '<mark class="passage"' * 4 not in re.sub(
            r"(?<=passage\")[^>]*>", "", html
        )
        assert sorted(map(int, page.cited)) == [p.number for p in passages]
        assert sorted(page.ids) == sorted(f"passage-{p.number}" for p in passages)
        assert without_marks(html) == without_marks(render(REPORT))


def test_the_second_of_two_equal_cells_is_told_from_the_first():
    source = "| a | b |\n| - | - |\n| same | same |"
    start = source.rindex("same")
    html = shown(source, Passage(1, start, start + 4))
    assert f"<td>same</td><td>{MARK}same</mark>{cite()}</td>" in html


@pytest.mark.parametrize("render", [render_text, render_plain])
def test_a_passage_that_ends_before_it_starts_is_only_numbered(render):
    html = render("Power cut it.", [Passage(1, 9, 6)])
    assert f"Power {NAMED}cut it." in html


def test_a_passage_of_nothing_still_has_its_number():
    assert render_text("", [Passage(1, 0, 5)]) == (f'<p class="cites">{NAMED}</p>\n')


def test_two_passages_with_one_number_are_both_marked():
    page = Page(render_text("one two", [Passage(1, 0, 3), Passage(1, 4, 7)]))
    assert page.cited == ["1", "1"]
    assert page.ids == ["passage-1"]


def test_private_characters_of_the_input_mark_nothing():
    ours = "".join(map(chr, rendering_text.PRIVATE[:8]))
    page = Page(render_text(f"a{ours}b", [Passage(1, 0, 1)]))
    assert page.cited == ["1"]
    assert all(f"U+{ord(char):X}" in page.text for char in ours)
