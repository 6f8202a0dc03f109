"""Whether a URL lies under another, for every server that might read it.

Servers and proxies take paths apart differently: some decode twice, some cut at ";",
some resolve "..". What any of them could take for another path is refused.
"""

import re

import httpcore2

from reviews.delivery.guard import Forbidden, parts_of

PORTS = {b"https": 443, b"http": 80}
# Letters and signs that stand for themselves, and encoded ones that decode to none of
# % . / ; ? # and backslash, and to nothing that does not print.
PLAIN = re.compile(
    r"(?:[A-Za-z0-9\-._~!$&'()*+,=:@/]"
    r"|%(?!2[35ef]|3[bf]|5c|7f)(?:[2-7][0-9a-f]|[89a-f][0-9a-f]))*",
    re.IGNORECASE,
)


def plain(url: str) -> httpcore2.URL:
    """The URL taken apart; Forbidden if its path can be read in two ways."""
    parts = parts_of(url)
    path = _path(parts)
    if "#" in url:
        raise Forbidden("The URL has a fragment.")
    if not PLAIN.fullmatch(path):
        raise Forbidden("The path of the URL has characters that can be misread.")
    *inner, last = path.split("/")[1:]
    if "" in inner or {".", ".."} & {*inner, last}:
        raise Forbidden("The path of the URL has empty parts or dots for parts.")
    return parts


def lies_under(url: str, prefix: str) -> bool:
    """Same scheme, host and port, and the path at or below that of `prefix`."""
    try:
        inner, outer = plain(url), plain(prefix)
    except Forbidden:
        return False
    path, top = _path(inner), _path(outer)
    below = path == top or path.startswith(f"{top.rstrip('/')}/")
    return below and _origin(inner) == _origin(outer) and b"?" not in outer.target


def _origin(url: httpcore2.URL) -> tuple[bytes, bytes, int]:
    return url.scheme, url.host, url.port or PORTS[url.scheme]


def _path(url: httpcore2.URL) -> str:
    return url.target.decode().partition("?")[0]
