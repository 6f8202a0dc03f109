"""What a model wrote, as HTML: formatted where that is safe and quick, else plain."""

import logging
import re
from collections.abc import Iterator, Sequence
from html import escape

from django.utils.safestring import SafeString

from jobs.rendering.cleaning import clean, trusted
from jobs.rendering.codepoints import (
    boxed,
    hidden_in,
    replace_hidden,
    visible_block,
)
from jobs.rendering.ends import Ends
from jobs.rendering.limits import GivenUp, check, clock
from jobs.rendering.passages import Passage, Weaver, with_plain_breaks
from jobs.rendering.reader import read

# Also fewer than there are private characters, so that they cannot run out.
MAX_CHARS = 100_000
SECONDS = 0.5

PRIVATE = range(0xF0000, 0x10FFFE)
_PIECE = re.compile("(?P<tag><[^>]*>)|(?P<char>[\U000f0000-\U0010fffd])(?P=char)*")

logger = logging.getLogger(__name__)


def render_text(text: str, citations: Sequence[Passage] = ()) -> SafeString:
    """Markdown as safe HTML, with its cited passages marked."""
    if len(text) > MAX_CHARS:
        return render_plain(text, citations, why="it is too long to format")
    try:
        return trusted(_formatted(*with_plain_breaks(text, citations)))
    except GivenUp as reason:
        return render_plain(text, citations, why=str(reason))
    except Exception:
        # A parser's bug must not keep a reviewer from seeing what is to be approved.
        logger.exception("Markdown could not be formatted")
        return render_plain(text, citations, why="it could not be formatted")


def render_plain(
    text: str, citations: Sequence[Passage] = (), *, why: str = "it was asked for"
) -> SafeString:
    """The text as it is, with the same passages marked and a note that says why."""
    weaver = Weaver()
    weaver.tag(f'<p class="note">Shown as plain text: {escape(why)}.</p>\n')
    weaver.tag('<pre class="plain">\n')
    source, passages = with_plain_breaks(text, citations)
    done = 0
    for position, starts, number in _ends_in_order(passages):
        weaver.text(visible_block(source[done:position]))
        weaver.start(number) if starts else weaver.end(number)
        done = position
    weaver.text(visible_block(source[done:]))
    weaver.tag("</pre>\n")
    return trusted(weaver.html())


def _ends_in_order(passages: Sequence[Passage]) -> Iterator[tuple[int, bool, int]]:
    """(position, does it start there, number)"""
    starts = [(p.start, True, p.number) for p in passages if p.start < p.end]
    ends = [(p.end, False, p.number) for p in passages]
    return iter(sorted(starts + ends))


def _formatted(text: str, passages: Sequence[Passage]) -> str:
    deadline = clock() + SECONDS
    # Every private character of the text is hidden, hence exchanged: those that we
    # put in are the only ones, in the parser as in the cleaner.
    free = map(chr, PRIVATE)
    stand_in = dict(zip(sorted(hidden_in(text)), free, strict=False))
    ends = [Ends(*each) for each in zip(passages, free, free, strict=False)]
    html = read(replace_hidden(text, stand_in), ends, deadline=deadline)
    check(deadline)
    hidden = {private: char for char, private in stand_in.items()}
    return _woven(clean(html), hidden, ends)


def _woven(html: str, hidden: dict[str, str], ends: Sequence[Ends]) -> str:
    """The clean HTML with marks and code points in place of private characters."""
    starts = {each.start: each.passage.number for each in ends}
    stops = {each.end: each.passage.number for each in ends}
    weaver, text, done = Weaver(), "", 0
    for match in _PIECE.finditer(html):
        text += html[done : match.start()]
        done = match.end()
        if match["char"] in hidden:
            text += boxed(hidden[match["char"]], len(match[0]))
            continue
        weaver.text(text)
        text = ""
        if match["tag"]:
            weaver.tag(match[0])
        elif match["char"] in starts:
            weaver.start(starts[match["char"]])
        else:
            weaver.end(stops[match["char"]])
    weaver.text(text + html[done:])
    _add_unplaced(weaver, [each for each in ends if each.end not in html])
    return weaver.html()


def _add_unplaced(weaver: Weaver, ends: Sequence[Ends]) -> None:
    """No citation is dropped, even if what it cites shows nothing."""
    if ends:
        weaver.tag('<p class="cites">')
        for each in ends:
            weaver.end(each.passage.number)
        weaver.tag("</p>\n")
