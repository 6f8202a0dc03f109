"""Writes the ends of passages, as private characters, into what the parser makes."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from jobs.rendering.limits import refuse_depth
from jobs.rendering.passages import Passage
from jobs.rendering.placing import place, regions


@dataclass(frozen=True)
class Ends:
    """A passage, and the private characters that stand for its two ends."""

    passage: Passage
    start: str
    end: str


def place_ends(state: StateCore) -> None:
    """Note on each token which ends fall into it; write them into code at once."""
    shown = regions(state.tokens, state.src) if state.env["ends"] else []
    for ends in state.env["ends"]:
        for starts, token, offset in place(ends.passage, shown):
            char = ends.start if starts else ends.end
            token.meta.setdefault("ends", []).append((offset, char))
    for token in state.tokens:
        noted = sorted(token.meta.pop("ends", ()))
        if token.type == "inline":
            token.meta["ends"] = deque(noted)
        elif noted:
            token.content = _with_ends(token.content, noted)


def read_inline(state: StateCore) -> None:
    """As the parser's own rule, with the ends at hand for each run of text."""
    for token in state.tokens:
        if token.type != "inline":
            continue
        run: list[Token] = []
        token.children = run
        ends = token.meta.pop("ends")
        state.env["run"], state.env["run_ends"] = run, ends
        state.md.inline.parse(token.content, state.md, state.env, run)
        if ends:
            late = "".join(char for _, char in ends)
            run.append(Token("text", "", 0, content=late))
        refuse_depth(run)


def write_ends(state: StateInline, silent: bool) -> bool:
    """Write the ends we have come to; take text no further than the next one.

    An end inside an address or a code span is written after it.
    """
    ends = state.env["run_ends"]
    if silent or not ends or state.tokens is not state.env["run"]:
        return False
    while ends and ends[0][0] <= state.pos:
        state.append_pending(ends.popleft()[1])
    limit = ends[0][0] if ends else state.posMax
    markup = state.md.inline.terminator_re
    if limit >= state.posMax or markup.search(state.src, state.pos, limit):
        return False
    state.append_pending(state.src[state.pos : limit])
    state.pos = limit
    return True


def _with_ends(content: str, ends: Sequence[tuple[int, str]]) -> str:
    pieces, done = [], 0
    for offset, char in ends:
        pieces += [content[done:offset], char]
        done = offset
    return "".join([*pieces, content[done:]])
