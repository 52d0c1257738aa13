"""Outgoing requests: to the address that was checked, through no proxy, and within a time limit.

Knows which addresses are public (IANA's special-purpose registries, RFC 6890), and not why somebody asks.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final, TypeAlias
from urllib.parse import urlsplit

Resolve: TypeAlias = Callable[[str, int], Sequence[str]]
"""Returns the IP addresses of a name."""
MayConnect: TypeAlias = Callable[[str], bool]
"""Returns whether an IP address may be connected to."""

_GLOBAL_UNICAST: Final = ipaddress.ip_network("2000::/3")
_SPECIAL: Final = tuple(
    map(
        ipaddress.ip_network,
        (
            *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
            *("192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24"),
            *("192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
            *("224.0.0.0/4", "240.0.0.0/4"),
            *("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20"),  # 2001:: is Teredo's too
        ),
    )
)
"""What is not public: of IPv6 beside all that is outside of global unicast, as mapped and NAT64's addresses are."""
_ISATAP: Final = frozenset((0x00005EFE, 0x02005EFE))
"""What stands before the IPv4 address in an interface's identifier (RFC 5214 section 6.1)."""


class BlockedAddressError(OSError):
    """An address that may not be connected to."""


@dataclass(frozen=True, slots=True)
class Reached:
    """What a server answered."""

    status: int
    reason: str
    location: str = ""
    """Where it redirects to, as it says so."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for. Raises `ValueError` for what is no URL of HTTP."""

    url: str = field(repr=False)
    method: str = "GET"
    body: bytes = field(default=b"", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    seconds: float = 5.0
    """Until it has to be over, once the name is resolved."""

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        is_plain = self.url.isascii() and self.url.isprintable() and " " not in self.url
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0 or not is_plain:
            raise ValueError("expected a URL that begins with http:// or https://")


def resolved(host: str, port: int) -> Sequence[str]:
    """Return the IP addresses of a name. Raises `OSError`."""
    return list(dict.fromkeys(str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))


def is_public(address: str) -> bool:
    """Return whether an IP address is one of the public network, and leads to no other one."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        is_isatap = int(found) >> 32 & 0xFFFFFFFF in _ISATAP
        if is_isatap or found not in _GLOBAL_UNICAST:
            return False
    return not any(found in network for network in _SPECIAL if network.version == found.version)


def anywhere(_address: str) -> bool:
    """Let any address be connected to."""
    return True


def ask(request: Request, *, may_connect: MayConnect, resolve: Resolve = resolved) -> Reached:
    """Send one request and return how it was answered; redirects are the caller's to follow.

    Raises `BlockedAddressError` if one of the name's addresses may not be connected to, `TimeoutError` if the head of
    the answer is not complete in time, and `OSError`, even for an answer that is not HTTP.
    """
    parts = urlsplit(request.url)
    host, is_secure = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if is_secure else 80)
    addresses = resolve(host, port)
    if not addresses:
        raise OSError("no such host")
    if not all(map(may_connect, addresses)):
        raise BlockedAddressError("a private or reserved address")
    connection = (http.client.HTTPSConnection if is_secure else http.client.HTTPConnection)(host, port)
    try:
        with closing(connection), _connected(addresses[0], port, host if is_secure else None, request) as sock:
            connection.sock = sock  # so that nothing is resolved again
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request(request.method, target, request.body or None, dict(request.headers))
            answer = connection.getresponse()
            return Reached(answer.status, answer.reason[:100], (answer.getheader("Location") or "")[:2048])
    except http.client.HTTPException as error:
        raise OSError("the answer is not HTTP") from error


@contextmanager
def _connected(address: str, port: int, name: str | None, request: Request) -> Iterator[socket.socket]:
    """Connect, with TLS where there is a name for it, and break off when the time is over."""
    sock = socket.create_connection((address, port), request.seconds)
    same = sock.dup()  # TLS takes the other one over
    is_late = threading.Event()
    timer = threading.Timer(request.seconds, _break_off, (same, is_late))
    timer.daemon = True
    timer.start()
    try:
        if name is not None:
            sock = ssl.create_default_context().wrap_socket(sock, server_hostname=name)
        yield sock
    except (OSError, http.client.HTTPException):
        if is_late.is_set():  # else what is read depends on what was on its way
            raise TimeoutError("timed out") from None
        raise
    else:
        if is_late.is_set():
            raise TimeoutError("timed out")
    finally:
        timer.cancel()
        sock.close()
        same.close()


def _break_off(sock: socket.socket, is_late: threading.Event) -> None:
    is_late.set()
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
