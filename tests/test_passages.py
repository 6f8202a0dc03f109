"""A citation speaks for the claim before it."""

import pytest

from jobs.policy.passages import passage_of

LINK = "([T](https://x.example/a))"


@pytest.mark.parametrize(
    ("before", "claim"),
    [
        ("Water is wet. ", "Water is wet. "),
        ("First line.\nWater is wet. ", "Water is wet. "),
        ("- Water is wet. ", "Water is wet. "),
        ("  1. Water is wet ", "Water is wet "),
        ("> Water is wet. ", "Water is wet. "),
    ],
)
def test_the_claim_is_the_text_before_the_link(before, claim):
    text = f"{before}{LINK} More."

    start, end = passage_of(text, len(before), len(before + LINK), after=0)

    assert text[start:end] == claim


def test_a_claim_begins_where_the_citation_before_it_ended():
    text = f"One. {LINK} Two. {LINK}"
    first = text.index(LINK) + len(LINK)
    second = text.rindex(LINK)

    start, end = passage_of(text, second, len(text), after=first)

    assert text[start:end] == "Two. "


def test_two_sources_of_one_claim_leave_the_second_its_own_span():
    text = f"One. {LINK}{LINK}"
    second = text.rindex(LINK)

    assert passage_of(text, second, len(text), after=second) == (second, len(text))


def test_a_span_that_covers_words_is_a_passage_already():
    assert passage_of("Water is wet.", 0, 12, after=0) == (0, 12)


@pytest.mark.parametrize(("start", "end"), [(0, 0), (5, 5), (13, 13)])
def test_an_empty_span_stays(start, end):
    assert passage_of("Water is wet.", start, end, after=0) == (start, end)
