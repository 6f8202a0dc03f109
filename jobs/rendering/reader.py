"""Markdown, read against a deadline and in such a way that no text is hidden."""

from collections.abc import Sequence

from markdown_it import MarkdownIt

from jobs.rendering.ends import Ends, place_ends, read_inline, write_ends
from jobs.rendering.limits import MAX_NESTING, watch_blocks, watch_inline
from jobs.rendering.links import read_link
from jobs.rendering.renderer import Renderer
from jobs.rendering.tables import whole_table

# Neither HTML nor entities: both are shown as they are written.
RULES = [
    *("table", "code", "fence", "blockquote", "hr", "list", "reference", "heading"),
    *("lheading", "newline", "escape", "backticks", "link", "image", "autolink"),
    *("strikethrough", "emphasis"),
]


class Reader(MarkdownIt):
    """The parser, with our link policy and our rules."""

    def __init__(self) -> None:
        # A definition is shown where it stands, lest it become a place to hide text.
        options = {"inline_definitions": True, "maxNesting": MAX_NESTING}
        super().__init__("zero", options, renderer_cls=Renderer)
        self.enable(RULES)
        self._add_rules()
        # The parser compiles its rules at first use, where threads would race.
        for ruler in (self.core.ruler, self.block.ruler, self.inline.ruler):
            ruler.getRules("")
        self.inline.ruler2.getRules("")

    def _add_rules(self) -> None:
        self.core.ruler.at("inline", read_inline)
        self.core.ruler.before("inline", "place_ends", place_ends)
        self.block.ruler.at("table", whole_table, {"alt": ["paragraph", "reference"]})
        everywhere = ["paragraph", "reference", "blockquote", "list"]
        self.block.ruler.before("table", "watch", watch_blocks, {"alt": everywhere})
        self.inline.ruler.before("text", "write_ends", write_ends)
        self.inline.ruler.before("write_ends", "watch", watch_inline)

    def normalizeLink(self, url: str) -> str:
        return url

    def normalizeLinkText(self, link: str) -> str:
        return link

    def validateLink(self, url: str) -> bool:
        return read_link(url) is not None


_READER = Reader()


def read(source: str, ends: Sequence[Ends], *, deadline: float) -> str:
    """HTML, with the private characters where the passages begin and end."""
    no_ends = {ord(char): None for each in ends for char in (each.start, each.end)}
    env = {"deadline": deadline, "ends": ends, "no_ends": no_ends}
    return str(_READER.render(source, env))
