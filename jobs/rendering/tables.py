"""Tables that keep the cells a row has too many; by the standard they are dropped."""

from collections.abc import Iterator, Sequence

from markdown_it.common.utils import mdTrim
from markdown_it.rules_block import StateBlock
from markdown_it.rules_block.table import escapedSplit, getLine, table
from markdown_it.token import Token


def whole_table(state: StateBlock, line: int, last: int, silent: bool) -> bool:
    """The parser's rule for tables, after which nothing is missing."""
    before = len(state.tokens)
    if not table(state, line, last, silent):
        return False
    made = state.tokens[before:]
    columns = sum(token.type == "th_open" for token in made)
    state.tokens[before:] = _with_spare_cells(state, made, columns)
    return True


def _with_spare_cells(
    state: StateBlock, tokens: Sequence[Token], columns: int
) -> Iterator[Token]:
    row = 0
    for token in tokens:
        if token.type == "tr_open" and token.map:
            row = token.map[0]
        if token.type == "tr_close":
            yield from _spare_cell(mdTrim(getLine(state, row)), row, columns)
        yield token


def _spare_cell(line: str, row: int, columns: int) -> list[Token]:
    """One cell for all that stands right of the last column, if anything does."""
    inner = line.removeprefix("|").removesuffix("|")
    if inner.count("|") < columns:
        return []
    spare = mdTrim("|".join(escapedSplit(inner)[columns:]))
    cell = Token("inline", "", 0, map=[row, row + 1], content=spare, children=[])
    return [Token("td_open", "td", 1), cell, Token("td_close", "td", -1)]
