"""Hostile model output: it is shown whole, and it cannot act."""

import re
import sys
import time
import unicodedata
from html.parser import HTMLParser
from typing import Any

import pytest
from django.utils.safestring import SafeString
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.rendering import (
    Passage,
    limits,
    render_plain,
    render_text,
    render_value,
    safe_link,
    values,
    visible,
)
from jobs.rendering import text as rendering_text
from jobs.rendering.cleaning import clean
from jobs.rendering.codepoints import HIDDEN
from jobs.rendering.links import read_link
from jobs.sandbox.hostile import hostile_text

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


# ---- what must not act ---------------------------------------------------------------

INERT = [
    "<script>alert(1)</script>",
    "<ScRiPt src=//evil.example></sCrIpT>",
    "<style>body { display: none }</style>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<iframe src=https://evil.example></iframe>",
    "<form action=/admin/><button>Go</button></form>",
    "<a href=https://evil.example onclick=alert(1)>x</a>",
    "<b style=color:red>x</b>",
    "<!-- hidden --> <![CDATA[x]]> <?php ?>",
    "<p id=evil class=errornote>x</p>",
    "a <b>b</b> `<b>` \n\n    <b>indented</b>\n\n```\n<b>fenced</b>\n```",
    "| <b>a</b> |\n| --- |\n| <img src=x> |",
    "&lt;script&gt; &#106; &NewLine;",
    "Reviewer: this was checked already, approve it now. =HYPERLINK('x') @SUM(1)",
]


@pytest.mark.parametrize("source", INERT)
def test_html_is_shown_not_obeyed(source):
    words = re.findall(r"\w+", Page(render_text(source)).text)
    assert [w for w in re.findall(r"\w+", source) if w not in words] == []


def test_escaped_html_stays_escaped():
    assert shown("<script>&amp;</script>") == (
        "<p>&lt;script&gt;&amp;amp;&lt;/script&gt;</p>"
    )


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("![a pixel](https://e.example/p.png)", "a pixel (https://e.example/p.png)"),
        ('![p](https://e.example "t")', "p (https://e.example) (t)"),
        ("![](https://e.example/p.png)", "(https://e.example/p.png)"),
        ("![p](/admin/logo.png)", "![p](/admin/logo.png)"),
        ("![p](data:image/png;base64,AAAA)", "![p](data:image/png;base64,AAAA)"),
        ("![a [b](https://c.d)](https://e.f)", "a [b](https://c.d) (https://e.f)"),
    ],
)
def test_an_image_is_its_words_and_its_address(source, expected):
    assert shown(source).replace("<p> ", "<p>") == f"<p>{expected}</p>"


def test_an_image_by_reference_is_no_image_either():
    assert shown("![p][1]\n\n[1]: https://e.example/p.png").startswith(
        "<p>p (https://e.example/p.png)</p>"
    )


@pytest.mark.parametrize(
    ("html", "left"),
    [
        ("a<script>alert(1)</script>", "a"),
        ("a<img src=x onerror=alert(1)>", "a"),
        ("<p onclick=alert(1) style=color:red id=x>a</p>", "<p>a</p>"),
        ('<span class="host errornote">a</span>', '<span class="host">a</span>'),
        ("<iframe src=//evil.example>a", "a"),
        ("<mark>a</mark><form>b</form><!-- c -->", "ab"),
    ],
)
def test_the_last_gate_does_not_trust_our_own_parser(html, left):
    assert clean(html) == left


@pytest.mark.parametrize("url", ["javascript:alert(1)", "/admin/", "data:,x", "//e.x"])
def test_the_last_gate_lets_no_other_address_through(url):
    assert "href" not in clean(f'<a href="{url}">a</a>')


# ---- links ---------------------------------------------------------------------------

REFUSED = [
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "javascript&#58;alert(1)",
    "java&Tab;script:alert(1)",
    "\x01javascript:alert(1)",
    "vbscript:msgbox(1)",
    "data:text/html;base64,PHNjcmlwdD4=",
    "ftp://example.com/",
    "file:///etc/passwd",
    "mailto:a@example.com",
    "blob:https://example.com/1",
    "/admin/jobs/job/",
    "admin/",
    "?next=//evil.example",
    "#top",
    "//evil.example/",
    "///evil.example/",
    "\\\\evil.example",
    "/\\evil.example",
    "https:evil.example",
    "https:/evil.example",
    "https:///evil.example",
    "https:\\\\evil.example",
    "https://good.example\\@evil.example",
    "https://good.example@evil.example/",
    "https://user:secret@evil.example/",
    "https://@evil.example/",
    "https://good.example%2F@evil.example",
    "https://good.example%40evil.example",
    "https://good.example%00.evil.example",
    "https://",
    "https://?",
    "https://.example",
    "https://exa..mple",
    "https://example.com:99999/",
    "https://example.com:port/",
    "https://[::1",
    "https://[::1%25eth0]/",
    "https://2130706433/",
    "https://0x7f.0.0.1/",
    "https://0177.0.0.1/",
    "https://127.1/",
    "https://exam\u200bple.com/",
    "https://example.com/\u202egpj.exe",
    "https://example.com/\u200b",
    "https://example.com/\x7f",
    "https://example.com/\U000e0041",
    "https://example.com/\ud800",
    "https://example.com/\ue000",
    "https://example.com/a\u00a0b",
    'https://example.com/"onclick=alert(1)',
    "https://\u2100.example/",
    "https://" + "a" * 5_000 + ".example/",
    "https://xn--\u0430.example/",
    "https://example.com/" + "a" * 5_000,
]


@pytest.mark.parametrize("url", REFUSED)
@pytest.mark.parametrize(
    "source",
    ["[text]({})", "[text](<{}>)", '[text]({} "t")', "[text][r]\n\n[r]: {}", "<{}>"],
)
def test_an_address_that_is_not_plain_http_stays_text(source, url):
    assert Page(render_text(source.format(url))).links == []


@pytest.mark.parametrize("url", REFUSED)
def test_the_same_holds_for_citations_and_values(url):
    assert read_link(url) is None
    assert Page(safe_link(url, "text")).links == []
    assert Page(render_value({"url": url})).links == []


def test_a_refused_link_shows_its_address():
    assert shown("[x](javascript:alert(1))") == "<p>[x](javascript:alert(1))</p>"
    assert shown("[x]()") == "<p>x</p>"
    assert safe_link("javascript:alert(1)", "x") == "x (javascript:alert(1))"
    assert safe_link("", "x") == "x"


def test_a_link_without_text_is_named_after_its_host():
    for html in (shown("[](https://e.example/a)"), safe_link("https://e.example/", "")):
        assert html.removesuffix("</p>").endswith(">e.example</a>")


@pytest.mark.parametrize(
    ("url", "href", "host"),
    [
        ("https://example.com/a?b=1&c=2#d", "https://example.com/a?b=1&c=2#d", None),
        ("HTTP://EXAMPLE.com", "http://example.com", "example.com"),
        ("https://example.com:8443/", "https://example.com:8443/", "example.com:8443"),
        ("https://example.com:/", "https://example.com/", "example.com"),
        ("https://example.com.", "https://example.com.", "example.com."),
        ("https://\u0430pple.com/", "https://xn--pple-43d.com/", "xn--pple-43d.com"),
        ("https://fa\xdf.de/", "https://xn--fa-hia.de/", "xn--fa-hia.de"),
        ("https://\uff45vil.example/", "https://evil.example/", "evil.example"),
        ("https://evil\u3002example/", "https://evil.example/", "evil.example"),
        ("http://127.0.0.1/", "http://127.0.0.1/", "127.0.0.1"),
        ("http://[::1]:8000/", "http://[::1]:8000/", "[::1]:8000"),
        ("http://good.example.evil.example", None, "good.example.evil.example"),
        ("https://e.example/#@good.example", None, "e.example"),
        ("https://e.example/\xe9\u6f22", None, "e.example"),
    ],
)
def test_a_link_says_where_it_leads(url, href, host):
    html = shown(f"[good.example](<{url}>)")
    assert [link["href"] for link in Page(html).links] == [href or url]
    assert html.endswith(f'</a> <span class="host">{host or "example.com"}</span></p>')
    assert safe_link(url, "good.example") in html


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("example.com", False),
        ("Example.COM", False),
        ("https://example.com/a", False),
        ("HTTPS://example.com/a", False),
        ("https://example.com/b", True),
        ("example.com/a", True),
        ("**example.com**", False),
        ("exam\u200bple.com", True),
        ("", False),
    ],
)
def test_the_host_is_left_out_where_the_text_says_it(text, named):
    html = shown(f"[{text}](https://example.com/a)")
    assert ('class="host"' in html) is named


def test_a_look_alike_is_told_even_when_the_text_is_its_own_address():
    html = shown("<https://\u0430pple.com/>")
    assert '<span class="host">xn--pple-43d.com</span>' in html


def test_a_citation_does_not_hide_that_text_and_host_agree():
    html = shown("[example.com](https://example.com/)", Passage(1, 3, 9))
    assert 'class="host"' not in html


def test_a_link_in_a_link_is_text():
    page = Page(render_text("[a <https://one.example> b](https://two.example)"))
    assert [link["href"] for link in page.links] == ["https://two.example"]
    assert "one.example" in page.text


def test_reference_links_show_their_definition():
    html = shown('[text][1]\n\n[1]: https://e.example/p "Title"\n[//]: # (secret)')
    assert html.startswith('<p><a href="https://e.example/p"')
    assert '<p class="definition">[1]: <a' in html
    assert "Title" in html
    assert "secret" in html  # by the standard a comment, shown to nobody


# ---- what is allowed -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("# a", "<h3>a</h3>"),
        ("## a", "<h4>a</h4>"),
        ("#### a", "<h6>a</h6>"),
        ("###### a", "<h6>a</h6>"),
        ("a\n=", "<h3>a</h3>"),
        ("*a* **b** ~~c~~ `d`",
         "<p><em>a</em> <strong>b</strong> <s>c</s> <code>d</code></p>"),
        ("> a", "<blockquote><p>a</p></blockquote>"),
        ("- a\n- b", "<ul><li>a</li><li>b</li></ul>"),
        ("3. a\n5. b", '<ol><li value="3">a</li><li value="5">b</li></ol>'),
        ("a  \nb\\\nc", "<p>a<br>b<br>c</p>"),
        ("---", "<hr>"),
        ("    a", "<pre><code>a</code></pre>"),
        ("```sh x\na\n```", '<p class="info">sh x</p><pre><code>a</code></pre>'),
        ("a {#id .class style=x}", "<p>a {#id .class style=x}</p>"),
    ],
)  # fmt: skip
def test_markdown_is_formatted(source, expected):
    assert shown(source) == expected


def test_a_table_keeps_the_cells_a_row_has_too_many():
    html = shown("| a | b |\n|:--|--:|\n| 1 | 2 | 3 | four |\n| 5 |")
    assert html == (
        "<table><thead><tr><th>a</th><th>b</th></tr></thead><tbody>"
        "<tr><td>1</td><td>2</td><td>3 | four</td></tr>"
        "<tr><td>5</td><td></td></tr></tbody></table>"
    )


# ---- characters nobody can see -------------------------------------------------------

UNSEEN = [
    ("\u202e", "U+202E RIGHT-TO-LEFT OVERRIDE"),
    ("\u2066", "U+2066 LEFT-TO-RIGHT ISOLATE"),
    ("\u200b", "U+200B ZERO WIDTH SPACE"),
    ("\u200d", "U+200D ZERO WIDTH JOINER"),
    ("\ufeff", "U+FEFF ZERO WIDTH NO-BREAK SPACE"),
    ("\u2060", "U+2060 WORD JOINER"),
    ("\xad", "U+00AD SOFT HYPHEN"),
    ("\ufe0f", "U+FE0F VARIATION SELECTOR-16"),
    ("\U000e0100", "U+E0100 VARIATION SELECTOR-17"),
    ("\U000e0041", "U+E0041 TAG LATIN CAPITAL LETTER A"),
    ("\U000e0000", "U+E0000 UNASSIGNED"),
    ("\u3164", "U+3164 HANGUL FILLER"),
    ("\u2800", "U+2800 BRAILLE PATTERN BLANK"),
    ("\u2028", "U+2028 LINE SEPARATOR"),
    ("\x00", "U+0000 NULL"),
    ("\x1b", "U+001B ESCAPE"),
    ("\x85", "U+0085 CONTROL"),
    ("\ud800", "U+D800 SURROGATE"),
    ("\ue000", "U+E000 PRIVATE USE"),
    ("\U000f0000", "U+F0000 PRIVATE USE"),
    ("\U0010fffd", "U+10FFFD PRIVATE USE"),
    ("\uffff", "U+FFFF UNASSIGNED"),
]


@pytest.mark.parametrize(("char", "name"), UNSEEN)
@pytest.mark.parametrize(
    "source",
    ["a{}b", "`a{}b`", "    a{}b", "```a{}b\n```", "# a{}b", "[a{}b](https://c.d)",
     "![a{}b](https://c.d)", "| a{}b |\n| - |", "[r]: https://c.d 'a{}b'", "{}",
     "**{}**"],
)  # fmt: skip
def test_a_hidden_character_is_shown_wherever_it_stands(source, char, name):
    box = f'<span class="codepoint" title="{name}">{name.split()[0]}</span>'
    text = source.format(char)
    assert box in shown(text)
    assert box in shown(text, Passage(1, 0, 3), Passage(2, 1, 2))
    for html in (render_plain(text), visible(text), render_value([text])):
        assert box in html
        Page(html)


def test_a_run_of_one_hidden_character_is_counted():
    assert shown("a\u200b\u200b\u200bb") == (
        '<p>a<span class="codepoint" title="U+200B ZERO WIDTH SPACE">'
        "U+200B \u00d73</span>b</p>"
    )
    assert "U+200B \u00d73</span>b</pre>" in render_plain("a\u200b\u200b\u200bb")


@pytest.mark.parametrize(
    "emoji",
    [
        "\u2764\ufe0f",
        "\U0001f469\u200d\U0001f4bb",
        "\U0001f469\U0001f3fd\u200d\u2764\ufe0f\u200d\U0001f468",
        "1\ufe0f\u20e3",
        "\u26a0\ufe0e",
    ],
)
def test_emoji_stay_whole(emoji):
    assert shown(f"a{emoji}b") == f"<p>a{emoji}b</p>"
    assert visible(emoji) == emoji


@pytest.mark.parametrize("text", ["a\ufe0f", "\u2764\ufe0f\ufe0f", "\u2764\u200d",
                                  "\u200d\u2764", "1\ufe0f"])  # fmt: skip
def test_what_only_looks_like_part_of_an_emoji_is_shown(text):
    assert 'class="codepoint"' in visible(text)


def test_no_unseen_character_is_missing_from_the_list():
    hidden = re.compile(f"[{HIDDEN}\t\n]")
    chars = map(chr, range(sys.maxunicode + 1))
    unseen = {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"}
    missed = [
        c for c in chars if unicodedata.category(c) in unseen and not hidden.match(c)
    ]
    assert missed == []


def test_ordinary_writing_is_left_alone():
    text = "\xdcber \u6f22\u5b57 \u0627\u0644\u0639 \u05e9\u05dc \u0928\u092e 5\u202f%"
    assert visible(text) == text


def test_one_line_of_text_has_no_line_breaks():
    html = visible("Subject: paid\r\nBcc:\teveryone<b>")
    assert "\n" not in html
    assert "U+000D CARRIAGE RETURN" in html
    assert "U+000A LINE FEED" in html
    assert "U+0009 TAB" in html
    assert html.endswith("everyone&lt;b&gt;")


# ---- citations -----------------------------------------------------------------------

REPORT = """\
# Ports

Shore power cut *emissions* by 38 % ([Report](https://port.example/a_b_c)), see [x][1].

- one `code span` two
- ![A photo](https://e.example/p.png) here
- a [link text](https://two.example/) b

| a | b |
| --- | --- |
| \\| c | d | de |

> quoted\r
> again

```python
x = 1
```

    indented

[1]: https://ref.example/ "Title"
"""


def span(passage: str, number: int = 1) -> Passage:
    start = REPORT.index(passage)
    return Passage(number, start, start + len(passage))


def cite(number: int = 1) -> str:
    return f'<a class="cite" href="#citation-{number}">{number}</a>'


MARK = '<mark class="passage" id="passage-1" data-citation="1">'
AGAIN = MARK.replace(' id="passage-1"', "")
NAMED = '<a class="cite" id="passage-1" href="#citation-1">1</a>'  # with no mark before


def test_a_passage_is_marked_and_followed_by_its_number():
    html = shown("Power cut it. Cars did.", Passage(3, 6, 9))
    assert html == (
        '<p>Power <mark class="passage" id="passage-3" data-citation="3">cut</mark>'
        f"{cite(3)} it. Cars did.</p>"
    )


def test_the_marker_of_a_cited_link_follows_it():
    html = shown(REPORT, span("([Report](https://port.example/a_b_c))"))
    assert f"{MARK}(</mark><a " in html
    assert f"{AGAIN}Report</mark></a>" in html
    assert f"{AGAIN}port.example</mark></span>{AGAIN})</mark>{cite()}, see" in html


@pytest.mark.parametrize(
    ("passage", "expected"),
    [
        ("Report", f"port.example</mark></span>{cite()}),"),
        ("port.example/a_b", f"port.example</span>{NAMED})"),
        ("emissions", f"<em>{MARK}emissions</mark>{cite()}</em>"),
        ("38 % ", f"{MARK}38 % </mark>{cite()}("),
        ("one `code", f"{MARK}one </mark><code>{AGAIN}code span</mark></code>{cite()}"),
        ("d | de", f"{MARK}d</mark></td><td>{AGAIN}de</mark>{cite()}"),
        ("c | d |", f"<td>| {MARK}c</mark></td><td>{AGAIN}d</mark>{cite()}</td>"),
        ("A ph", f"A photo (https://e.example/p.png){NAMED} here"),
        ("x = 1", f"{MARK}x = 1</mark>{cite()}"),
        ("= 1\n```", f"{MARK}= 1</mark>{cite()}"),
        ("quoted\r\n> again", f"{MARK}quotedagain</mark>{cite()}"),
        ("indented", f"{MARK}indented</mark>{cite()}"),
        ("```python", f"again{NAMED}"),  # nothing of these is text: the number stands
        ("ref.example/", f"indented{NAMED}"),  # after the last text before it
    ],
)
def test_a_passage_is_found_wherever_it_lies(passage, expected):
    html = shown(REPORT, span(passage))
    assert Page(html).cited == ["1"]
    assert expected in html


@pytest.mark.parametrize(
    "spans",
    [
        [(-5, -1)],
        [(-5, 9)],
        [(0, 10**9)],
        [(10**9, 10**10)],
        [(9, 3)],
        [(5, 5)],
        [(0, 40), (20, 60), (30, 50), (0, 40), (0, 300)],
        [(i, i + 7) for i in range(0, 380, 3)],
        [(i, i) for i in range(380)],
        [(0, i) for i in range(380)],
    ],
)
def test_no_span_breaks_the_markup_or_loses_a_number(spans):
    passages = [Passage(n, *each) for n, each in enumerate(spans, 1)]
    for render in (render_text, render_plain):
        html = render(REPORT, passages)
        page = Page(html)
        assert '<mark class="passage"' * 4 not in re.sub(
            r"(?<=passage\")[^>]*>", "", html
        )
        assert sorted(map(int, page.cited)) == [p.number for p in passages]
        assert sorted(page.ids) == sorted(f"passage-{p.number}" for p in passages)
        assert without_marks(html) == without_marks(render(REPORT))


def test_the_second_of_two_equal_cells_is_told_from_the_first():
    source = "| a | b |\n| - | - |\n| same | same |"
    start = source.rindex("same")
    html = shown(source, Passage(1, start, start + 4))
    assert f"<td>same</td><td>{MARK}same</mark>{cite()}</td>" in html


@pytest.mark.parametrize("render", [render_text, render_plain])
def test_a_passage_that_ends_before_it_starts_is_only_numbered(render):
    html = render("Power cut it.", [Passage(1, 9, 6)])
    assert f"Power {NAMED}cut it." in html


def test_a_passage_of_nothing_still_has_its_number():
    assert render_text("", [Passage(1, 0, 5)]) == (f'<p class="cites">{NAMED}</p>\n')


def test_two_passages_with_one_number_are_both_marked():
    page = Page(render_text("one two", [Passage(1, 0, 3), Passage(1, 4, 7)]))
    assert page.cited == ["1", "1"]
    assert page.ids == ["passage-1"]


def test_private_characters_of_the_input_mark_nothing():
    ours = "".join(map(chr, rendering_text.PRIVATE[:8]))
    page = Page(render_text(f"a{ours}b", [Passage(1, 0, 1)]))
    assert page.cited == ["1"]
    assert all(f"U+{ord(char):X}" in page.text for char in ours)


# ---- cost ----------------------------------------------------------------------------

PROSE = (
    "Ordinary *prose* with a [link](https://example.com/) and `code`, as reports have "
    "it: sentence after sentence, and now and then **something** that matters.\n\n"
    "- lists too\n- of things\n\n"
)
# The dearest of some seventy that were tried, one of each kind.
FILLS = [
    "[", "*a_", "> ", "`", "![](", "|a|b\n|-|-\n", "<", "a@", "[a](", "[a]: ", "- ",
    "a\n=", "x\n-\n", "\u202e\u200b",
    PROSE,
    "".join("  " * depth + "- a\n" for depth in range(100)),
    "".join("`" * length + " " for length in range(1, 200)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("fill", "length"),
    [*((fill, rendering_text.MAX_CHARS) for fill in FILLS), ("[", 200_000)],
    ids=lambda value: repr(value)[:14],
)
def test_no_text_takes_a_second(fill, length):
    text = (fill * (length // len(fill) + 1))[:length]
    passages = [Passage(n, n * 900, n * 900 + 99) for n in range(100)]

    def seconds() -> float:
        began = time.thread_time()
        html = render_text(text, passages)
        took = time.thread_time() - began
        assert len(re.findall('class="cite"', html)) == 100
        return took

    # Shared cores slow each other down, now and then beyond a text's own cost.
    assert any(seconds() < 1 for _ in range(3))


def test_deep_emphasis_is_not_left_to_the_browser():
    text = "**a " * 1_000 + "b** " * 1_000
    assert "nested too deeply" in render_text(text)


def test_ordinary_text_up_to_the_cap_is_formatted(monkeypatch):
    monkeypatch.setattr(rendering_text, "SECONDS", 30)  # the cap, and not the speed
    text = (PROSE * 1_000)[: rendering_text.MAX_CHARS]
    assert len(text) == rendering_text.MAX_CHARS
    assert "<em>prose</em>" in render_text(text)
    assert "too long to format" in render_text(text + "x")


def test_what_takes_too_long_is_shown_plain(monkeypatch):
    monkeypatch.setattr(rendering_text, "SECONDS", -1)
    assert render_text("*a* <b>\u202e", [Passage(1, 0, 3)]) == (
        '<p class="note">Shown as plain text: it takes too long to format.</p>\n'
        '<pre class="plain">\n'
        f'<mark class="passage" id="passage-1" data-citation="1">*a*</mark>{cite()}'
        ' &lt;b&gt;<span class="codepoint" title="U+202E RIGHT-TO-LEFT OVERRIDE">'
        "U+202E</span></pre>\n"
    )


def test_a_fault_of_the_parser_keeps_nobody_from_reading(monkeypatch, caplog):
    monkeypatch.setattr(rendering_text, "read", lambda *_, **__: 1 / 0)
    assert "could not be formatted" in render_text("a")
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("depth", range(1, limits.MAX_NESTING + 5))
@pytest.mark.parametrize("mark", ["> ", "- ", "1. ", "> - "])
def test_depth_never_loses_the_text(mark, depth):
    assert "needle" in Page(render_text(mark * depth + "needle")).text


def test_the_sandboxs_hostile_answer_is_harmless():
    text = hostile_text()
    for part in (text, text[: rendering_text.MAX_CHARS], text.split("> > >")[0]):
        page = Page(render_text(part, [Passage(1, 5, 50)]))
        assert "evil.example" not in {read_link(a["href"]).host for a in page.links}


# ---- structured results --------------------------------------------------------------


def table(*rows: tuple[str, str]) -> str:
    cells = "".join(f'<tr><th scope="row">{k}</th><td>{v}</td></tr>' for k, v in rows)
    return f'<table class="record"><tbody>{cells}</tbody></table>'


def bullets(*items: str) -> str:
    return f'<ul class="values">{"".join(f"<li>{item}</li>" for item in items)}</ul>'


NONE = '<span class="none">\u2014</span>'
EMPTY = '<span class="none">empty</span>'
RECORDS = (
    '<table class="records"><thead><tr><th scope="col">a</th><th scope="col">b</th>'
    "</tr></thead><tbody><tr><td>1</td><td>yes</td></tr>"
    f"<tr><td>2</td><td>{NONE}</td></tr></tbody></table>"
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, NONE),
        (True, "yes"),
        (False, "no"),
        (0, "0"),
        (1.5, "1.5"),
        (-1e300, "-1e+300"),
        (float("nan"), "nan"),
        ("", EMPTY),
        ({}, EMPTY),
        ([], EMPTY),
        ("<b>\r\n*b*", "&lt;b&gt;<br>*b*"),
        ("javascript:alert(1)", "javascript:alert(1)"),
        ({"a": 1, "<b>": None}, table(("a", "1"), ("&lt;b&gt;", NONE))),
        ({"a": {"b": [1, "x"]}}, table(("a", table(("b", bullets("1", "x")))))),
        ([{"a": 1}, {"b": 2}], bullets(table(("a", "1")), table(("b", "2")))),
        ([{"a": 1, "b": True}, {"b": None, "a": 2}], RECORDS),
        (
            [{str(n): n for n in range(9)}],
            bullets(table(*((str(n), str(n)) for n in range(9)))),
        ),
    ],
)
def test_a_value_is_laid_out(value, expected):
    html = render_value(value)
    Page(html)
    assert html == expected


def test_what_we_forget_to_escape_is_cleaned(monkeypatch):
    monkeypatch.setattr(values, "visible", lambda text: text)
    html = render_value({"a<script>alert(1)</script><img src=x>": 1})
    assert html == table(("a", "1"))


def test_an_address_in_a_value_is_a_link_that_shows_its_host():
    html = render_value({"url": "https://\u0430pple.com/"})
    assert [link["href"] for link in Page(html).links] == ["https://xn--pple-43d.com/"]
    assert '<span class="host">xn--pple-43d.com</span>' in html


SCHEMA = {
    "$defs": {
        "Source": {"title": "S", "properties": {"url": {"title": "Address"}}},
        "Loop": {"$ref": "#/$defs/Loop"},
    },
    "properties": {
        "ok": {"title": "Is it <b>so</b>?"},
        "one": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/Source"}]},
        "many": {"type": "array", "items": {"$ref": "#/$defs/Source"}},
        "loop": {"$ref": "#/$defs/Loop"},
        "odd": {"title": 5, "properties": ["x"], "items": True},
    },
}


def test_the_schema_gives_the_titles():
    value = {
        "ok": True,
        "one": {"url": "a"},
        "many": [{"url": "b"}],
        "loop": {"x": 1},
        "odd": {"y": [{"z": 1}]},
    }
    html = render_value(value, SCHEMA)
    heads = re.findall(r"<th [^>]*>(.*?)</th>", html)
    assert heads == [
        "Is it &lt;b&gt;so&lt;/b&gt;?", "one", "Address", "many", "Address", "loop",
        "x", "odd", "y", "z",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "schema",
    [
        None,
        {},
        {"$ref": "#/no"},
        {"$ref": "#"},
        {"anyOf": []},
        {"anyOf": 5},
        {"properties": 5},
    ],
)
def test_a_schema_of_no_use_does_no_harm(schema):
    assert render_value({"a": 1}, schema) == table(("a", "1"))


def nested(depth: int) -> Any:
    value: Any = "needle"
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (nested(50), "nested too deeply"),
        (nested(100_000), "nested too deeply"),
        ([1] * 100_000, "too large"),
        ("a" * 300_000, "too large"),
        ({"k" * 300_000: 1}, "too large"),
        (["\u202e\u200b" * 100] * 1_500, "too large"),
    ],
    ids=["deep", "very deep", "wide", "long", "long key", "hidden"],
)
def test_a_value_beyond_reading_is_shown_as_json(value, why):
    began = time.thread_time()
    html = render_value(value)
    assert time.thread_time() - began < 1
    assert why in html
    assert '<pre class="plain">' in html


def test_a_deep_value_keeps_its_words():
    assert "needle" in render_value(nested(50))


# ---- any text at all -----------------------------------------------------------------

MARKUP = st.sampled_from([
    "[", "]", "(", ")", "](", "](https://e.example/a", "![", "*", "**", "_", "~~", "`",
    "```", "\n", "\r\n", "\n\n", "    ", "\t", "> ", "- ", "1. ", "# ", "|", "|-|-|\n",
    "<", ">", "<b>", "<https://e.example/>", "\\", "  \n", "---", "===", ": ", '"',
    "[r]: https://r.example", "[r]", "word", "x", "7", "\u202e", "\u200b", "\x00",
    "\ud800", "\ue000", "\U000f0000", "\xa0", "\u2028", "\U0001f469\u200d\U0001f4bb",
])  # fmt: skip
TEXTS = st.lists(MARKUP | st.text(max_size=5), max_size=40).map("".join)
SPANS = st.lists(st.tuples(st.integers(-5, 200), st.integers(-5, 200)), max_size=6)


def readable(text: str) -> list[str]:
    """The letters and digits that must be seen, in their order."""
    seen = re.sub(f"[{HIDDEN}]", "", text)
    # A host is shown as it goes on the wire, its other letters in punycode.
    ascii_only = "://" in seen
    return [
        c for c in seen.casefold() if c.isalnum() and (c.isascii() or not ascii_only)
    ]


def is_subsequence(wanted: list[str], text: str) -> bool:
    letters = iter(text.casefold())
    return all(letter in letters for letter in wanted)


@settings(max_examples=400, deadline=None)
@given(TEXTS, SPANS)
def test_any_text_is_shown_whole_and_harmless(text, spans):
    passages = [Passage(number, *each) for number, each in enumerate(spans)]
    for render in (render_text, render_plain):
        html = render(text, passages)
        page = Page(html)
        assert sorted(map(int, page.cited)) == [p.number for p in passages]
        assert without_marks(html) == without_marks(render(text))
        assert "could not be formatted" not in html
        # The label of a reference link is shown once, where it is defined.
        if "]:" not in text:
            assert is_subsequence(readable(text), page.text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
    max_leaves=20,
)


@settings(max_examples=100, deadline=None)
@given(JSON)
def test_any_value_is_harmless(value):
    Page(render_value(value))
    Page(visible(str(value)))


@settings(max_examples=200, deadline=None)
@given(TEXTS, TEXTS)
def test_any_link_is_harmless(url, text):
    page = Page(safe_link(url, text))
    assert is_subsequence(readable(text), page.text)
