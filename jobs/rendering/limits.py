"""When formatting is given up, so that hostile text costs little and hides nothing."""

import time
from collections.abc import Sequence

from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

MAX_NESTING = 40  # blocks in blocks, and brackets in brackets
MAX_EMPHASIS = 100  # a browser flattens what is nested much deeper


class GivenUp(Exception):
    """The text is not worth more effort; the message says why."""


def clock() -> float:
    """The time this thread has worked: a busy machine makes no text unformattable."""
    return time.thread_time()


def check(deadline: float) -> None:
    """Give up if the deadline has passed."""
    if clock() > deadline:
        raise GivenUp("it takes too long to format")


def watch_blocks(state: StateBlock, line: int, last: int, silent: bool) -> bool:
    """A rule that matches nothing and is asked everywhere."""
    check(state.env["deadline"])
    if state.level >= MAX_NESTING - 2:  # a level more, and the parser drops the text
        raise GivenUp("it is nested too deeply to format")
    return False


def watch_inline(state: StateInline, silent: bool) -> bool:
    """The same inside a paragraph."""
    check(state.env["deadline"])
    return False


def refuse_depth(run: Sequence[Token]) -> None:
    """Give up if emphasis stands in emphasis without end."""
    depth = 0
    for token in run:
        depth += token.nesting
        if depth > MAX_EMPHASIS:
            raise GivenUp("it is nested too deeply to format")
