"""Cited passages in an edited text: they move along, or are known to be gone."""

import time

import pytest

from jobs.policy.moving import Mover, Span

LINK = "([T](https://x.example/a))"
OLD = f"# Tea\n\nIt grows in Assam. {LINK}\n\nIt is steamed in Japan. {LINK}\n"


def span_of(text: str, quote: str, *, tail: str = "", nth: int = 0) -> Span:
    start = -1
    for _ in range(nth + 1):
        start = text.index(quote, start + 1)
    return Span(start, start + len(quote + tail), quote)


CLAIM = span_of(OLD, "It grows in Assam.", tail=f" {LINK}")


def moved(new: str, span: Span = CLAIM, old: str = OLD) -> str | None:
    found = Mover(old, new).move(span)
    return None if found is None else f"{found.start}:{new[found.start : found.end]}"


def test_what_was_not_edited_stays_where_it_is():
    assert Mover(OLD, OLD).move(CLAIM) == CLAIM


@pytest.mark.parametrize(
    ("edit", "stands"),
    [
        (("# Tea", "# On tea and its places"), f"It grows in Assam. {LINK}"),
        (("steamed", "cooked"), f"It grows in Assam. {LINK}"),
        (("# Tea\n\n", ""), f"It grows in Assam. {LINK}"),
        (("It grows", "Yes. It grows"), f"It grows in Assam. {LINK}"),
        ((f" {LINK}\n\n", "\n\n"), "It grows in Assam."),
        ((f". {LINK}\n\n", f". So they say. {LINK}\n\n"), "It grows in Assam."),
        (("Assam", "assam"), None),
        (("It grows in Assam.", ""), None),
        (("grows in Assam", "grows  in Assam"), None),
    ],
)
def test_a_passage_stands_as_long_as_its_words_do(edit, stands):
    new = OLD.replace(*edit, 1)
    expected = None if stands is None else f"{new.index(stands)}:{stands}"
    assert moved(new) == expected


def test_of_two_equal_passages_each_finds_its_own():
    line = "The same words.\n"
    old = f"{line}One.\nTwo.\n{line}Three.\n{line}"
    new = f"Before all.\n{line}One.\nTwo and a half.\n{line}Three.\nMore.\n{line}End."
    mover = Mover(old, new)
    places = [span_of(old, "The same words.", nth=n) for n in range(3)]
    found = [mover.move(place).start for place in places]
    there = [span_of(new, "The same words.", nth=n).start for n in range(3)]
    assert found == there


def test_of_equal_passages_the_nearest_counts_once_its_own_is_gone():
    old = "Same.\nA.\nB.\nC.\nSame.\nD.\nSame.\n"
    new = "Same.\nA.\nB.\nC.\nD.\nSame.\n"
    found = Mover(old, new).move(span_of(old, "Same.", nth=1))
    assert found.start == new.rindex("Same.")


def test_a_word_is_not_found_inside_another():
    assert (
        moved("We like steam.", span_of("We like tea.", "tea"), "We like tea.") is None
    )


def test_half_a_word_that_was_cited_is_found_again():
    old, new = "We like steam.", "Indeed, we like steam."
    assert moved(new, span_of(old, "tea"), old) == f"{new.index('tea')}:tea"


@pytest.mark.parametrize("quote", ["", "   "])
def test_an_empty_passage_stands_nowhere(quote):
    assert Mover("One.   Two.", "One.   Two.").move(Span(4, 4 + len(quote), "")) is None


def test_characters_beyond_the_basic_plane_count_as_one():
    old, new = "\N{TEACUP WITHOUT HANDLE}\nTea.", "\N{BUTTERFLY}\N{BUTTERFLY}\nTea."
    assert moved(new, span_of(old, "Tea."), old) == "3:Tea."


@pytest.mark.parametrize("line", ["\n", "Same words, again and again.\n", "[" * 400])
def test_a_monotonous_text_takes_no_long_time(line):
    old = line * (100_000 // len(line))
    began = time.process_time()
    mover = Mover(old, f"New.\n{old}")
    for start in range(0, 30_000, 300):
        mover.move(Span(start, start + 50, old[start : start + 50].strip()))
    assert time.process_time() - began < 3
