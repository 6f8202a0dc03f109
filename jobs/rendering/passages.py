"""Cited passages: where they lie, and how they are marked in finished HTML."""

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from jobs.rendering.codepoints import units

MAX_NESTED = 3  # marks around one piece of text; more are only numbered

_BREAK = re.compile(r"\r\n?")


@dataclass(frozen=True)
class Passage:
    """What citation `number` stands for: code points `start` to `end` of a text."""

    number: int
    start: int
    end: int


def with_plain_breaks(
    text: str, passages: Sequence[Passage]
) -> tuple[str, list[Passage]]:
    """The text with one kind of line break, and the spans made to lie within it."""
    doubled = [m.start() for m in _BREAK.finditer(text) if len(m[0]) == 2]
    source = _BREAK.sub("\n", text)
    whole = units(source) if passages else []

    def place(offset: int, side: int) -> int:
        inside = min(max(offset, 0), len(text))
        position = inside - bisect_left(doubled, inside)
        unit = whole[bisect_left(whole, (position,)) - 1] if whole else (0, 0)
        return unit[side] if unit[0] < position < unit[1] else position

    placed = [Passage(p.number, place(p.start, 0), place(p.end, 1)) for p in passages]
    return source, placed


class Weaver:
    """Puts trusted marks around pieces of safe HTML, in reading order."""

    def __init__(self) -> None:
        self._out: list[str] = []
        self._open: list[int] = []
        self._named: set[int] = set()
        self._waiting: list[int] = []
        self._in_link = False

    def tag(self, html: str) -> None:
        self._out.append(html)
        if html.startswith("<a "):
            self._in_link = True
        elif html == "</a>":
            self._in_link = False
            self._out += map(self._marker, self._waiting)
            self._waiting.clear()

    def text(self, html: str) -> None:
        # Between the rows of a table there is only white space, and no mark may be.
        numbers = self._open[:MAX_NESTED] if html.strip() else []
        self._out += map(self._mark, numbers)
        self._out.append(html)
        self._out.append("</mark>" * len(numbers))

    def start(self, number: int) -> None:
        self._open.append(number)

    def end(self, number: int) -> None:
        if number in self._open:
            self._open.remove(number)
        if self._in_link:
            self._waiting.append(number)  # a link cannot stand inside a link
        else:
            self._out.append(self._marker(number))

    def html(self) -> str:
        return "".join(self._out)

    def _mark(self, number: int) -> str:
        name = self._name(number)
        return f'<mark class="passage"{name} data-citation="{number:d}">'

    def _marker(self, number: int) -> str:
        name = self._name(number)
        return f'<a class="cite"{name} href="#citation-{number:d}">{number:d}</a>'

    def _name(self, number: int) -> str:
        """An id for the first thing we show of a passage, whatever that is."""
        if number in self._named:
            return ""
        self._named.add(number)
        return f' id="passage-{number:d}"'
