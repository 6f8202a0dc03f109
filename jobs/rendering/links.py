"""Which addresses may become links, and how a link says where it leads."""

import re
from dataclasses import dataclass
from html import escape
from ipaddress import IPv4Address, IPv6Address

import idna
from django.utils.safestring import SafeString

from jobs.rendering.cleaning import REL, trusted
from jobs.rendering.codepoints import HIDDEN, visible

MAX_URL = 4_096
MAX_HOST = 253

# What a browser might read in another way than we do is no link at all.
_FORBIDDEN = re.compile(rf"[\s<>\"\\{HIDDEN}]")
_URL = re.compile(r"(https?)://([^/?#@]+)([/?#].*)?", re.IGNORECASE)
_AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[^:\[\]]+)(?::([0-9]{0,5}))?", re.I)
_NAME = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


@dataclass(frozen=True)
class Link:
    """An address one may open: `host` is where it really leads."""

    href: str
    host: str

    def opening(self) -> str:
        return f'<a href="{escape(self.href)}" target="_blank" rel="{REL}">'

    def host_after(self, text: str) -> str:
        """The host, unless the text before it is the address itself."""
        told = {self.host.casefold(), self.href.casefold()}
        if text.strip().casefold() in told:
            return ""
        return f' <span class="host">{escape(self.host)}</span>'


def read_link(url: str) -> Link | None:
    """The link an address makes, or None where it must stay text."""
    if len(url) > MAX_URL or _FORBIDDEN.search(url):
        return None
    parts = _URL.fullmatch(url)
    place = parts and _AUTHORITY.fullmatch(parts[2])
    if not parts or not place:
        return None
    host, port = _real_host(place[1]), place[2]
    if not host or int(port or 0) > 65_535:
        return None
    if port:
        host = f"{host}:{port}"
    return Link(href=f"{parts[1].lower()}://{host}{parts[3] or ''}", host=host)


def safe_link(url: str, text: str) -> SafeString:
    """The text as a link that shows its host; as text with its address, if unfit."""
    link = read_link(url)
    if link:
        shown = visible(text) if text.strip() else escape(link.host)
        after = link.host_after(text or link.host)
        return trusted(f"{link.opening()}{shown}</a>{after}")
    if not url or text == url:
        return visible(text)
    return trusted(f"{visible(text)} ({visible(url)})")


def _real_host(host: str) -> str | None:
    """The host as it goes on the wire; None if a browser may differ."""
    try:
        if host.startswith("["):
            return f"[{IPv6Address(host[1:-1])}]"
        name = _ascii_name(host)
        if _NUMBER.fullmatch(name.rstrip(".").rpartition(".")[2]):
            return str(IPv4Address(name))  # 0x7f.1 and 2130706433 are addresses too
    except ValueError:
        return None
    return name if len(name) <= MAX_HOST and _NAME.fullmatch(name) else None


def _ascii_name(host: str) -> str:
    if host.isascii():
        return host.lower()
    if len(host) > MAX_HOST:
        raise ValueError("longer than any host name")
    return idna.encode(host, uts46=True).decode("ascii").lower()
