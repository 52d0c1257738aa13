"""Names that lead to this machine, in this process only: without root and without a hosts file.

Wildcard and internationalized names need a host name with several labels. `resolving` makes Python's own look-ups find
such names on loopback; docs/scenarios.md says what other programs do. `leading` does the same for hosts with a port.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import ipaddress
import socket
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from .errors import InvalidValueError

DOMAIN: Final = "smtpfix.test"
"""Below ``test``, which RFC 6761 section 6.2 keeps for testing."""


@dataclass(frozen=True, slots=True)
class Route:
    """Where connections to a host lead."""

    host: str
    """A domain, or an address; in lower case, without a dot at its end."""
    to: str
    """The host that is looked up instead."""
    port: int | None = None
    """The port whose connections are led; None: every port."""
    to_port: int | None = None
    """The port that they lead to; None: the same port, for the domain and every name below it."""
    addresses: tuple[str, ...] = ()
    """The IP addresses of `to`, for sockets that are connected without a look-up."""

    def leads(self, host: str, port: object) -> bool:
        """Return whether a connection is led."""
        if self.to_port is None:
            return host == self.host or host.endswith(f".{self.host}")
        return host == self.host and (self.port is None or self.port == _number(port))


class _Detour(ABC):
    """Stands before functions of the socket module, or of its class, while somebody wants it to."""

    def __init__(self, home: Any, *names: str) -> None:
        self._home = home
        self._names = names
        self._lock = threading.Lock()
        self._routes: tuple[Route, ...] = ()  # replaced as a whole: look-ups read it without the lock
        self._replaced: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {}

    def add(self, routes: tuple[Route, ...]) -> None:
        with self._lock:
            if not self._routes:
                for name in self._names:
                    original = getattr(self._home, name)
                    self._replaced[name] = (original, self._before(original))
                    setattr(self._home, name, self._replaced[name][1])
            self._routes = (*routes, *self._routes)

    def remove(self, routes: tuple[Route, ...]) -> None:
        with self._lock:
            left = list(self._routes)
            for route in routes:
                left.remove(route)
            self._routes = tuple(left)
            for name, (original, ours) in self._replaced.items() if not left else ():
                # Where somebody else has put theirs before ours, ours stays after it, and changes nothing any more.
                if getattr(self._home, name) is ours:
                    setattr(self._home, name, original)

    @abstractmethod
    def _before(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Return what stands before a function."""

    def _route(self, host: Any, port: Any) -> Route | None:
        """Return the route of a host and port, the last that was added."""
        name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
        if not self._routes or not isinstance(name, str):
            return None
        name = normal(name)
        return next((route for route in self._routes if route.leads(name, port)), None)


class _LookUps(_Detour):
    """Before the functions that take a host name first, and maybe a port after it."""

    def _before(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def look_up(host: Any, *args: Any, **keywords: Any) -> Any:
            has_port = bool(args) or "port" in keywords
            route = self._route(host, args[0] if args else keywords.get("port"))
            if route is None:
                return original(host, *args, **keywords)
            if has_port and route.to_port is not None:
                if args:
                    args = (route.to_port, *args[1:])
                else:
                    keywords["port"] = route.to_port
            return original(route.to, *args, **keywords)

        return look_up


class _Connections(_Detour):
    """Before the methods that connect a socket, for addresses, which asyncio does not look up."""

    def _before(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def connect(connecting: socket.socket, address: Any) -> Any:
            if isinstance(address, tuple) and (route := self._route(*address[:2])) is not None:
                is_ipv6 = connecting.family == socket.AF_INET6
                fitting = next((one for one in route.addresses if (":" in one) == is_ipv6), None)
                if fitting is None and original.__name__ == "connect_ex":
                    return errno.ECONNREFUSED
                if fitting is None:
                    raise ConnectionRefusedError(errno.ECONNREFUSED, f"{route.to} has no address of this family")
                return original(connecting, (fitting, route.to_port, *address[2:]))
            return original(connecting, address)

        return connect


_LOOK_UPS: Final = _LookUps(socket, "getaddrinfo", "gethostbyname")
_CONNECTIONS: Final = _Connections(socket.socket, "connect", "connect_ex")


@contextlib.contextmanager
def leading(*routes: Route) -> Iterator[None]:
    """Let connections to hosts and ports lead to other ones, in this process."""
    _LOOK_UPS.add(routes)
    _CONNECTIONS.add(routes)
    try:
        yield
    finally:
        _CONNECTIONS.remove(routes)
        _LOOK_UPS.remove(routes)


def normal(name: str) -> str:
    """Return a name or an address as it is compared: ``MX.example.`` is mx.example, ``2001:DB8::0`` is 2001:db8::."""
    if ":" in name:
        with contextlib.suppress(ValueError):
            return str(ipaddress.ip_address(name))
    return name.lower().removesuffix(".")


@contextlib.contextmanager
def resolving(*domains: str, to: str = "localhost") -> Iterator[None]:
    """Make these domains, and every name below them, lead to one host in this process; by default ``smtpfix.test``.

    This applies to `socket.getaddrinfo` and `socket.gethostbyname`, which smtplib, asyncio and others use. Other names,
    and IP addresses, are looked up as usual. You can nest calls; the innermost one wins. Several threads may call it,
    and all threads see the effect. Raises `InvalidValueError` for anything that is no domain.
    """
    for domain in domains:
        if not isinstance(domain, str) or not normal(domain).strip("."):
            raise InvalidValueError("resolving", domain, "a domain, such as 'smtpfix.test'")
    names = [normal(domain).lstrip(".") for domain in domains or (DOMAIN,) if not _is_address(domain)]
    if not names:
        yield
        return
    routes = tuple(Route(name, to) for name in names)
    _LOOK_UPS.add(routes)
    try:
        yield
    finally:
        _LOOK_UPS.remove(routes)


def _number(port: object) -> int | None:
    """Return the number of a port, as look-ups take it: as a number, as its digits, or as a service's name."""
    if isinstance(port, bytes):
        port = port.decode("ascii", "replace")
    if isinstance(port, str) and not port.isdecimal():
        try:
            return socket.getservbyname(port, "tcp")
        except OSError:
            return None
    return int(port) if isinstance(port, int | str) else None


def _is_address(domain: str) -> bool:
    try:
        ipaddress.ip_address(domain)
    except ValueError:
        return False
    return True
