"""Where we may connect: asked of the very address that is connected to."""

import ipaddress
import socket
from collections.abc import Iterable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import httpcore2
from django.conf import settings

from reviews.delivery.deadline import TimedStream

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
NAT64 = ipaddress.ip_network("64:ff9b::/96")


class Forbidden(Exception):
    """We do not send there; says why."""


def parts_of(url: str) -> httpcore2.URL:
    """The URL taken apart once, for checking and connecting alike."""
    try:
        split = urlsplit(url)
        port, host = split.port, split.hostname or ""
    except ValueError as error:
        raise Forbidden(f"{url!r} is not a URL: {error}") from error
    if any(character <= " " or character == "\\" for character in url):
        raise Forbidden("The URL has spaces, control characters or backslashes.")
    if split.username is not None or split.password is not None:
        raise Forbidden("The URL has a user name or password in it.")
    if not url.isascii():
        raise Forbidden("The URL has characters beyond ASCII: encode them.")
    if not host:
        raise Forbidden("The URL needs a host name.")
    if split.scheme != "https" and not (split.scheme == "http" and _may_use_http()):
        raise Forbidden("Only https is allowed.")
    target = (split.path or "/") + (f"?{split.query}" if split.query else "")
    return httpcore2.URL(scheme=split.scheme, host=host, port=port, target=target)


def check(address: Address) -> None:
    """Raise Forbidden unless content may be sent to this address."""
    if _is_sandbox():
        # A mapped address stays on this machine; the other forms go by a gateway.
        if not (getattr(address, "ipv4_mapped", None) or address).is_loopback:
            raise Forbidden(f"{address}: sandbox results are sent to loopback only.")
    elif not _is_public(_unwrapped(address)):
        raise Forbidden(f"{address} is not a public address.")


def check_literal(url: httpcore2.URL) -> None:
    """Raise Forbidden where the host is an address, however written, and not allowed.

    Nothing is looked up: where a name leads is asked when it is connected to.
    """
    host, only = url.host.decode(), socket.AI_NUMERICHOST
    with suppress(socket.gaierror):
        _check_all(socket.getaddrinfo(host, None, flags=only))


class GuardedBackend(httpcore2.SyncBackend):
    """Resolves the name itself, and connects to the address it has checked.

    `until`: the moment of the monotonic clock at which its connections end.
    """

    def __init__(self, until: float) -> None:
        self._until = until

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise httpcore2.ConnectError(f"{host}: {error}") from error
        addresses = _check_all(found)
        stream = super().connect_tcp(
            addresses[0], port, timeout, local_address, socket_options
        )
        return TimedStream(stream, self._until)


def _check_all(found: Iterable[tuple[Any, ...]]) -> list[str]:
    """What a host stands for: one forbidden address among them is one too many."""
    addresses = [str(sockaddr[0]) for *_, sockaddr in found]
    for address in addresses:
        check(ipaddress.ip_address(address.partition("%")[0]))
    return addresses


def _unwrapped(address: Address) -> Address:
    """The IPv4 address inside, where an IPv6 one only carries it."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        return address.ipv4_mapped or address.sixtofour or address
    return address


def _is_public(address: Address) -> bool:
    """Global, and nothing that Python counts as global all the same."""
    site_local = isinstance(address, ipaddress.IPv6Address) and address.is_site_local
    special = address.is_multicast or address.is_reserved or site_local
    return address.is_global and not special


def _may_use_http() -> bool:
    return _is_sandbox() or settings.DELIVERY_OVER_HTTP


def _is_sandbox() -> bool:
    return settings.PROVIDER == "sandbox"
