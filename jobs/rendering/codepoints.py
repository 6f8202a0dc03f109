"""Characters nobody can see, shown as the code points they are."""

import re
import unicodedata
from functools import lru_cache
from html import escape

from django.utils.safestring import SafeString

from jobs.rendering.cleaning import trusted

# Controls, format characters, private use, surrogates, noncharacters, and whatever
# else Unicode calls default-ignorable; tab and line feed are left to the caller.
HIDDEN = (
    r"\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u0600-\u0605\u061c\u06dd\u070f"
    r"\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    r"\u2028-\u202e\u2060-\u206f\u2800\u3164\ud800-\uf8ff\ufdd0-\ufdef"
    r"\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\U000110bd\U000110cd"
    r"\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    r"\U000e0000-\U000e0fff\U000f0000-\U0010ffff"
) + "".join(rf"\U000{plane:x}fffe\U000{plane:x}ffff" for plane in range(1, 15))

# Joiners and variation selectors belong to an emoji, but only in these places.
_PICTURE = (
    r"[\xa9\xae\u203c\u2049\u2122\u2139\u2194-\u21aa\u231a-\u23ff\u24c2"
    r"\u25aa-\u25fe\u2600-\u27bf\u2934\u2935\u2b05-\u2b55\u3030\u303d\u3297"
    r"\u3299\U0001f000-\U0001faff][\U0001f3fb-\U0001f3ff]?[\ufe0e\ufe0f]?"
)
_EMOJI = rf"[#*0-9]\ufe0f\u20e3|{_PICTURE}(?:\u200d{_PICTURE})*"

_IN_BLOCKS = re.compile(rf"{_EMOJI}|(?P<hidden>[{HIDDEN}])(?P=hidden)*")
_IN_LINES = re.compile(rf"{_EMOJI}|(?P<hidden>[\t\n{HIDDEN}])(?P=hidden)*")

_UNNAMED = {
    "\x00": "NULL",
    "\t": "TAB",
    "\n": "LINE FEED",
    "\r": "CARRIAGE RETURN",
    "\x1b": "ESCAPE",
    "\x7f": "DELETE",
}
_KINDS = {"Cc": "CONTROL", "Co": "PRIVATE USE", "Cs": "SURROGATE"}


@lru_cache(1_000)
def boxed(char: str, times: int = 1) -> str:
    """One code point, or a run of it, as HTML that names it."""
    point = f"U+{ord(char):04X}"
    kind = _KINDS.get(unicodedata.category(char), "UNASSIGNED")
    name = unicodedata.name(char, "") or _UNNAMED.get(char, kind)
    shown = point if times == 1 else f"{point} \u00d7{times}"
    return f'<span class="codepoint" title="{point} {name}">{shown}</span>'


def visible(text: str) -> SafeString:
    """One line of text, escaped, with every hidden character shown."""
    return trusted(_IN_LINES.sub(_boxed_match, escape(text)))


def visible_block(text: str) -> SafeString:
    """The same for text whose tabs and line breaks may stay."""
    return trusted(_IN_BLOCKS.sub(_boxed_match, escape(text)))


def replace_hidden(text: str, stand_in: dict[str, str]) -> str:
    """The text with each hidden character exchanged for its stand-in."""

    def exchange(match: re.Match[str]) -> str:
        char = match["hidden"]
        return stand_in[char] * len(match[0]) if char else match[0]

    return _IN_BLOCKS.sub(exchange, text)


def units(text: str) -> list[tuple[int, int]]:
    """(start, end) of what is shown as one: an emoji, a run of a hidden character."""
    return [m.span() for m in _IN_BLOCKS.finditer(text) if len(m[0]) > 1]


def hidden_in(text: str) -> set[str]:
    """Which hidden characters the text has."""
    return {m["hidden"] for m in _IN_BLOCKS.finditer(text) if m["hidden"]}


def _boxed_match(match: re.Match[str]) -> str:
    char = match["hidden"]
    return boxed(char, len(match[0])) if char else match[0]
