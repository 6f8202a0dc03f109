"""Where in the parsed tokens the ends of a passage fall.

The ends go into the tokens, never into the source: a span, however wrong, cannot
change how the text is read.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from markdown_it.token import Token

from jobs.rendering.passages import Passage

STARTS, ENDS = 1, 0  # where passages touch, one ends before the next starts


@dataclass(frozen=True)
class Region:
    """Part of one source line that a token shows."""

    start: int
    end: int
    token: Token
    offset: int

    def at(self, position: int) -> int:
        inside = min(max(position, self.start), self.end)
        return inside - self.start + self.offset


def regions(tokens: Sequence[Token], source: str) -> list[Region]:
    """All that is shown, in reading order."""
    lines = source.split("\n")
    starts = [0, *accumulate(len(line) + 1 for line in lines)]
    found = []
    for line, column, part, token, offset in _parts(tokens, lines):
        shown = part.strip()
        indent = part.find(shown)
        start = starts[line] + column + indent
        if shown and column >= 0:
            found.append(Region(start, start + len(shown), token, offset + indent))
    return found


def place(
    passage: Passage, regions: Sequence[Region]
) -> Iterator[tuple[int, Token, int]]:
    """Up to two of (STARTS or ENDS, token, offset); none if nothing is shown."""
    if not regions:
        return
    key = lambda region: region.start  # noqa: E731
    last = max(bisect_left(regions, passage.end, key=key) - 1, 0)
    first = max(bisect_right(regions, passage.start, key=key) - 1, 0)
    if passage.start >= regions[first].end:
        first += 1
    ends_at = regions[last].at(passage.end)
    if first <= last:
        starts_at = regions[first].at(passage.start)
        if first < last or starts_at < ends_at:
            yield STARTS, regions[first].token, starts_at
    yield ENDS, regions[last].token, ends_at


def _parts(
    tokens: Sequence[Token], lines: Sequence[str]
) -> Iterator[tuple[int, int, str, Token, int]]:
    """(line, column, text, token, offset in the token) of every line of every token."""
    cell_line = cell_end = -1
    for before, token in zip([None, *tokens], tokens, strict=False):
        if not token.content or not token.map:
            continue
        offset = 0
        in_cell = before is not None and before.tag in {"td", "th"}
        first = token.map[0] + (token.type == "fence")
        for line, part in enumerate(token.content.split("\n"), first):
            if line >= len(lines):
                break
            if in_cell:
                column = lines[line].find(part, cell_end if line == cell_line else 0)
                if column >= 0:
                    cell_line, cell_end = line, column + len(part)
            else:  # what a block keeps of a line is its end
                column = lines[line].rfind(part)
            yield line, column, part, token, offset
            offset += len(part) + 1
