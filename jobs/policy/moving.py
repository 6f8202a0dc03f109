"""Where a cited passage stands after its text was edited, if it still stands."""

import re
from bisect import bisect_right
from dataclasses import dataclass
from difflib import SequenceMatcher


@dataclass(frozen=True)
class Span:
    """The passage [start, end) of a text, in code points; `quote`: its claim."""

    start: int
    end: int
    quote: str


class Mover:
    """Finds the passages of one text in another, of which it was edited into."""

    def __init__(self, old: str, new: str) -> None:
        self.old, self.new = old, new
        self._kept = _kept_lines(old, new)
        self._starts = [start for start, _ in self._kept]

    def move(self, span: Span) -> Span | None:
        """The same words where they stand now: nearest to where they would be.

        With what follows the claim, the citation itself, where that stands as well.
        None: the claim does not stand any more, or there was none.
        """
        passage = self.old[span.start : span.end]
        for words in (passage, span.quote):
            at = self._find(words, span.start) if words.strip() else None
            if at is not None:
                return Span(at, at + len(words), span.quote)
        return None

    def _find(self, words: str, was_at: int) -> int | None:
        expected = was_at + self._shift(was_at)
        found = [m.start() for m in self._pattern(words).finditer(self.new)]
        return min(found, key=lambda at: abs(at - expected), default=None)

    def _pattern(self, words: str) -> re.Pattern[str]:
        """Whole words only, where they were whole words before: no "tea" in "steam"."""
        whole = re.compile(_whole(words))
        return whole if whole.search(self.old) else re.compile(re.escape(words))

    def _shift(self, at: int) -> int:
        """How far the last line that was kept before this place has moved."""
        before = bisect_right(self._starts, at)
        return self._kept[before - 1][1] if before else 0


def _whole(words: str) -> str:
    left = r"(?<!\w)" if words[0].isalnum() else ""
    right = r"(?!\w)" if words[-1].isalnum() else ""
    return f"{left}{re.escape(words)}{right}"


def _kept_lines(old: str, new: str) -> list[tuple[int, int]]:
    """Where runs of lines that were kept begin in the old text, and how far they moved.

    Beyond the end of such a run its shift is the best that is known.
    """
    was, now = old.splitlines(keepends=True), new.splitlines(keepends=True)
    places, here = _starts(was), _starts(now)
    matches = SequenceMatcher(None, was, now).get_matching_blocks()
    return [(places[a], here[b] - places[a]) for a, b, _ in matches]


def _starts(lines: list[str]) -> list[int]:
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    return starts
