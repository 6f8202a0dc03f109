"""Where in the parsed tokens the ends of a passage fall.

The ends go into the tokens, never into the source: a span, however wrong, cannot
change how the text is read.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from markdown_it.token import Token

from jobs.rendering.passages import Passage

MAX_PADDING = 500  # in a cell; a cell that is not found is no reason to search on


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
    found: list[Region] = []
    cell_ends: dict[int, int] = {}
    for before, token in pairwise([Token("", "", 0), *tokens]):
        in_cell = before.tag in {"td", "th"}
        for line, offset, text in _lines(token):
            searched = lines[line] if line < len(lines) else ""
            if in_cell:
                after = cell_ends.get(line, 0)
                column = searched.find(text, after, after + len(text) + MAX_PADDING)
            else:  # what a block keeps of a line is its end
                column = searched.rfind(text)
            if column >= 0:
                cell_ends[line] = column + len(text)
                start = starts[line] + column
                found.append(Region(start, start + len(text), token, offset))
    return found


def place(
    passage: Passage, regions: Sequence[Region]
) -> Iterator[tuple[bool, Token, int]]:
    """(does it start here, token, offset): the end alone, if nothing lies between.

    What is outside of every region counts as standing right after the one before.
    """
    if not regions:
        return
    first = max(bisect_right(regions, passage.start, key=_start) - 1, 0)
    last = max(bisect_left(regions, passage.end, key=_start) - 1, 0)
    start, end = regions[first].at(passage.start), regions[last].at(passage.end)
    if (first, start) < (last, end):
        yield True, regions[first].token, start
    yield False, regions[last].token, end


def _start(region: Region) -> int:
    return region.start


def _lines(token: Token) -> Iterator[tuple[int, int, str]]:
    """(line of the source, offset in the token, text) of each line it shows."""
    if not token.content or not token.map:
        return
    offset = 0
    first = token.map[0] + (token.type == "fence")
    for line, part in enumerate(token.content.split("\n"), first):
        if text := part.strip():
            yield line, offset + part.index(text), text
        offset += len(part) + 1
