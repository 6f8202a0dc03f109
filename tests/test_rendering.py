"""Hostile model output: it is shown whole, and it cannot act."""

import re
import sys
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.rendering import (
    Passage,
    limits,
    render_plain,
    render_text,
    render_value,
    safe_link,
    visible,
)
from jobs.rendering import text as rendering_text
from jobs.rendering.cleaning import clean
from jobs.rendering.codepoints import HIDDEN
from jobs.rendering.links import read_link
from jobs.sandbox.hostile import hostile_text
from tests.markup import TEXTS, Page, cite, shown, without_marks

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


# ---- cost ----------------------------------------------------------------------------

PROSE = (
    "Ordinary *prose* with a [link](https://example.com/) and `code`, as reports have "
    "it: sentence after sentence, and now and then **something** that matters.\n\n"
    "- lists too\n- of things\n\n"
)
# The dearest of some seventy that were tried, one of each kind.
FILLS = [
    "> ", "`", "<", "a@", "[a]: ", "- ", "\u202e\u200b",
    PROSE,
    "".join("  " * depth + "- a\n" for depth in range(100)),
    "".join("`" * length + " " for length in range(1, 200)),
]  # fmt: skip
# These reach the limit, and that nothing goes on long after it a lower one shows too.
GIVEN_UP = ["[", "*a_", "![](", "|a|b\n|-|-\n", "[a](", "a\n=", "x\n-\n"]


@pytest.mark.parametrize(
    ("fill", "length", "limit"),
    [
        *((fill, rendering_text.MAX_CHARS, rendering_text.SECONDS) for fill in FILLS),
        *((fill, rendering_text.MAX_CHARS, 0.1) for fill in GIVEN_UP),
        ("[", 200_000, rendering_text.SECONDS),
    ],
    ids=lambda value: repr(value)[:14],
)
def test_no_text_takes_half_a_second_beyond_the_limit(fill, length, limit, monkeypatch):
    monkeypatch.setattr(rendering_text, "SECONDS", limit)
    text = (fill * (length // len(fill) + 1))[:length]
    passages = [Passage(n, n * 900, n * 900 + 99) for n in range(100)]

    def seconds() -> float:
        began = time.thread_time()
        html = render_text(text, passages)
        took = time.thread_time() - began
        assert len(re.findall('class="cite"', html)) == 100
        return took

    # Shared cores slow each other down, now and then beyond a text's own cost.
    assert any(seconds() < limit + 0.5 for _ in range(3))


def test_the_limit_of_time_is_half_a_second():
    assert rendering_text.SECONDS == 0.5


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


# ---- any text at all -----------------------------------------------------------------

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


@given(TEXTS, TEXTS)
def test_any_link_is_harmless(url, text):
    page = Page(safe_link(url, text))
    assert is_subsequence(readable(text), page.text)
