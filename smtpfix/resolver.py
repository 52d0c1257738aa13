"""Names that lead to this machine, for this process only: no root, no hosts file.

Wildcard and internationalized names need a host name of several labels. `resolving` lets Python's own look-ups find
such names on loopback; what other programs do is in docs/scenarios.md.
"""

from __future__ import annotations

import contextlib
import functools
import ipaddress
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

from .errors import InvalidValueError

DOMAIN: Final = "smtpfix.test"
"""Below ``test``, which RFC 6761 section 6.2 keeps for testing."""

_LOOK_UPS: Final = ("getaddrinfo", "gethostbyname")
"""The socket module's functions that take a host name first."""


class _Resolver:
    """Stands before the socket module's look-ups while somebody wants it to."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._targets: tuple[tuple[str, str], ...] = ()  # replaced as a whole: look-ups read it without the lock
        self._replaced: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {}

    def add(self, targets: tuple[tuple[str, str], ...]) -> None:
        with self._lock:
            if not self._targets:
                for name in _LOOK_UPS:
                    original = getattr(socket, name)
                    self._replaced[name] = (original, self._before(original))
                    setattr(socket, name, self._replaced[name][1])
            self._targets = (*targets, *self._targets)

    def remove(self, targets: tuple[tuple[str, str], ...]) -> None:
        with self._lock:
            left = list(self._targets)
            for target in targets:
                left.remove(target)
            self._targets = tuple(left)
            for name, (original, ours) in self._replaced.items() if not left else ():
                # Where somebody else has put theirs before ours, ours stays behind it, and changes nothing any more.
                if getattr(socket, name) is ours:
                    setattr(socket, name, original)

    def _before(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def look_up(host: Any, *args: Any, **keywords: Any) -> Any:
            return original(self._target(host), *args, **keywords)

        return look_up

    def _target(self, host: Any) -> Any:
        """Return what to look up for a host: that of the domain it is, or is below, which was named last."""
        name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
        if not isinstance(name, str):
            return host
        name = _normal(name)
        for domain, to in self._targets:
            if name == domain or name.endswith(f".{domain}"):
                return to
        return host


_RESOLVER: Final = _Resolver()


def _normal(name: str) -> str:
    return name.lower().removesuffix(".")


@contextlib.contextmanager
def resolving(*domains: str, to: str = "localhost") -> Iterator[None]:
    """Let these domains, and every name below them, lead to one host in this process; ``smtpfix.test`` without any.

    Look-ups by `socket.getaddrinfo` and `socket.gethostbyname` are served, which is all that smtplib, asyncio and
    their like do. Other names, and IP addresses, are looked up as ever. May be nested, the innermost counts, and used
    by several threads, which all see the same. Raises `InvalidValueError` for what is no domain.
    """
    for domain in domains:
        if not isinstance(domain, str) or not _normal(domain).strip("."):
            raise InvalidValueError("resolving", domain, "a domain, such as 'smtpfix.test'")
    names = [_normal(domain).lstrip(".") for domain in domains or (DOMAIN,) if not _is_address(domain)]
    if not names:
        yield
        return
    targets = tuple((name, to) for name in names)
    _RESOLVER.add(targets)
    try:
        yield
    finally:
        _RESOLVER.remove(targets)


def _is_address(domain: str) -> bool:
    try:
        ipaddress.ip_address(domain)
    except ValueError:
        return False
    return True
