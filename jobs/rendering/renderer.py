"""The tokens of Markdown as HTML: no images, no attributes of the model's choosing."""

from collections.abc import Sequence

from markdown_it.common.utils import escapeHtml
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

from jobs.rendering.links import read_link, safe_link

HEADINGS_BELOW = 2  # a page has an h1 and an h2 of its own
SMALLEST_HEADING = 6

Tokens = Sequence[Token]


class Renderer(RendererHTML):
    """Everything a token holds is shown: what is not text becomes text."""

    def heading_open(
        self, tokens: Tokens, idx: int, options: OptionsDict, env: EnvType
    ) -> str:
        return f"<h{_heading_level(tokens[idx])}>"

    def heading_close(
        self, tokens: Tokens, idx: int, options: OptionsDict, env: EnvType
    ) -> str:
        return f"</h{_heading_level(tokens[idx])}>\n"

    def list_item_open(
        self, tokens: Tokens, idx: int, options: OptionsDict, env: EnvType
    ) -> str:
        # The number as written, not as counted: the text may refer to it.
        number = tokens[idx].info
        return f'<li value="{number}">' if number else "<li>"

    def link_open(
        self, tokens: Tokens, idx: int, options: OptionsDict, env: EnvType
    ) -> str:
        open_links = env.setdefault("open_links", [])
        # Markdown lets <https://..> stand inside a link; HTML does not.
        link = None if open_links else read_link(str(tokens[idx].attrs["href"]))
        open_links.append((link, idx))
        return link.opening() if link else ""

    def link_close(
        self, tokens: Tokens, idx: int, options: OptionsDict, env: EnvType
    ) -> str:
        link, start = env["open_links"].pop()
        title = _title(tokens[start])
        if not link:
            return title
        text = "".join(t.content for t in tokens[start:idx]).translate(env["no_ends"])
        shown = "" if text.strip() else escapeHtml(link.host)
        return f"{shown}</a>{link.host_after(text or link.host)}{title}"

    def image(
        self, tokens: Tokens, idx: int, options: OptionsDict, env: EnvType
    ) -> str:
        image = tokens[idx]
        alt, source = escapeHtml(image.content), escapeHtml(str(image.attrs["src"]))
        return f"{alt} ({source}){_title(image)}"

    def definition(
        self, tokens: Tokens, idx: int, options: OptionsDict, env: EnvType
    ) -> str:
        meta = tokens[idx].meta
        label, title = escapeHtml(meta["label"]), escapeHtml(meta["title"])
        link = safe_link(meta["url"], meta["url"])
        return f'<p class="definition">[{label}]: {link} {title}</p>\n'

    def fence(
        self, tokens: Tokens, idx: int, options: OptionsDict, env: EnvType
    ) -> str:
        info = escapeHtml(tokens[idx].info.strip())
        label = f'<p class="info">{info}</p>\n' if info else ""
        return label + self.code_block(tokens, idx, options, env)


def _heading_level(token: Token) -> int:
    return min(int(token.tag[1:]) + HEADINGS_BELOW, SMALLEST_HEADING)


def _title(token: Token) -> str:
    title = token.attrs.get("title")
    return f" ({escapeHtml(str(title))})" if title else ""
