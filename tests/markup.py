"""What a browser is told of rendered output: no more than we allow; and any text."""

import re
from html.parser import HTMLParser
from typing import Any

from django.utils.safestring import SafeString
from hypothesis import strategies as st

from jobs.rendering import Passage, render_text

ALLOWED = {
    "a": {"href", "target", "rel", "class", "id"},
    "li": {"value"},
    "mark": {"class", "id", "data-citation"},
    "p": {"class"},
    "pre": {"class"},
    "span": {"class", "title"},
    "table": {"class"},
    "th": {"scope"},
    "ul": {"class"},
}
BARE = {
    "h3", "h4", "h5", "h6", "blockquote", "hr", "br", "ol", "thead", "tbody", "tr",
    "td", "code", "em", "s", "strong",
}  # fmt: skip
CLASSES = {
    "cite", "cites", "codepoint", "definition", "host", "info", "none", "note",
    "passage", "plain", "record", "records", "values",
}  # fmt: skip
VOID = {"br", "hr"}


class Page(HTMLParser):
    """What a browser is told: fails on anything we do not allow, or unbalanced tags."""

    def __init__(self, html: str) -> None:
        super().__init__()
        assert isinstance(html, SafeString)
        self.links: list[dict[str, str]] = []
        self.cited: list[str] = []
        self.ids: list[str] = []
        self._open: list[str] = []
        self._addresses: list[str] = []
        self._said: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []
        assert len(self.ids) == len(set(self.ids))
        self.text = "".join(self._said)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, Any]]) -> None:
        given = dict(attrs)
        assert tag in ALLOWED or tag in BARE
        assert given.keys() <= ALLOWED.get(tag, set())
        assert given.get("class", "note") in CLASSES
        assert not (tag == "a" and "a" in self._open)
        self.ids += [given["id"]] if "id" in given else []
        if tag == "li":  # the number before an item
            self._said.append(given.get("value", ""))
        elif given.get("class") == "cite":
            assert given["href"] == f"#citation-{given['href'][10:]}"
            self.cited.append(given["href"][10:])
        elif tag == "a":
            assert given["rel"] == "noopener noreferrer nofollow"
            assert given["target"] == "_blank"
            assert re.match(r"https?://[a-z0-9._\[-]", given["href"])
            self.links.append(given)
        if tag == "a":  # an address is read after its text
            self._addresses.append(given["href"])
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag
        if tag == "a":
            self._said.append(self._addresses.pop())

    def handle_data(self, data: str) -> None:
        self._said.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    handle_decl = handle_pi = unknown_decl = handle_comment


def shown(text: str, *citations: Passage) -> SafeString:
    """The formatted HTML, on one line, which may not be the plain fallback."""
    html = render_text(text, citations)
    Page(html)
    assert 'class="note"' not in html
    return SafeString(html.strip().replace("\n", ""))


def without_marks(html: str) -> str:
    html = re.sub(r'<p class="cites">.*?</p>\n', "", html, flags=re.DOTALL)
    html = re.sub(r'<a class="cite"[^>]*>[^<]*</a>', "", html)
    html = re.sub(r"</?mark[^>]*>", "", html)
    # A number may stand within a run of one hidden character.
    run = r'(<span class="codepoint"[^>]*>U\+\w+) \u00d7(\d+)</span>'
    return re.sub(run, lambda m: f"{m[1]}</span>" * int(m[2]), html)


def cite(number: int = 1) -> str:
    return f'<a class="cite" href="#citation-{number}">{number}</a>'


MARKUP = st.sampled_from([
    "[", "]", "(", ")", "](", "](https://e.example/a", "![", "*", "**", "_", "~~", "`",
    "```", "\n", "\r\n", "\n\n", "    ", "\t", "> ", "- ", "1. ", "# ", "|", "|-|-|\n",
    "<", ">", "<b>", "<https://e.example/>", "\\", "  \n", "---", "===", ": ", '"',
    "[r]: https://r.example", "[r]", "word", "x", "7", "\u202e", "\u200b", "\x00",
    "\ud800", "\ue000", "\U000f0000", "\xa0", "\u2028", "\U0001f469\u200d\U0001f4bb",
])  # fmt: skip
TEXTS = st.lists(MARKUP | st.text(max_size=5), max_size=40).map("".join)
