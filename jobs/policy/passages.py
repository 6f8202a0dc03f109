"""Which passage a citation speaks for.

The provider's span covers the citation itself, "([Title](https://...))", which stands
behind what it is cited for. A reviewer wants to see the claim.
"""

import re

LINK_ALONE = re.compile(r"\s*\(?\s*\[[^\]]*\]\([^)\s]*\)\s*\)?[\s.,;]*")
BULLET = re.compile(r"\s*(?:[-*+>]\s+|\d+[.)]\s+|#+\s+)*")


def passage_of(text: str, start: int, end: int, *, after: int) -> tuple[int, int]:
    """The claim before a citation, as [start, end of claim) in code points.

    `after`: where the citation before it ended. A span that covers more than a link is
    a passage already, and stays.
    """
    if not LINK_ALONE.fullmatch(text[start:end]):
        return start, end
    line = text.rfind("\n", 0, start) + 1
    begin = max(line, min(after, start))
    begin = BULLET.match(text, begin, start).end()  # type: ignore[union-attr]
    claim = text[begin:start].strip(" .;,\t")
    return (begin, start) if claim else (start, end)
