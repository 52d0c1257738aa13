"""Listening sockets: loopback on both IP versions and one port, or where the user says; with helpful errors."""

from __future__ import annotations

import errno
import os
import socket
import sys
from typing import Final

from smtpfix.errors import ListenError

_BACKLOG: Final = 1024
_RECEIVE_BUFFER: Final = 1_048_576
"""Octets a connection may have waiting in the kernel. Linux begins with less and grows it, and a client that fills it
with Nagle's algorithm on, as most have, then waits for a delayed acknowledgement: 40 ms."""
_TRIES: Final = 20
"""How many free ports of 127.0.0.1 are tried until one is free on ::1 too."""

_NO_SUCH_FAMILY: Final = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)

_SHARES: Final[int | None] = getattr(
    socket, "SO_REUSEPORT_LB", getattr(socket, "SO_REUSEPORT", None) if sys.platform == "linux" else None
)
"""The option by which several sockets listen on one port, and the system shares connections out between them: FreeBSD
has its own. Elsewhere SO_REUSEPORT gives all connections to one of them, or is not there."""


def shares_ports() -> bool:
    """Return whether this system shares the connections to one port out between sockets."""
    return _SHARES is not None


def listen_together(host: str, port: int, count: int) -> list[list[socket.socket]]:
    """Return so many times what `listen` does, all on one port, between which the system shares connections out.

    Nobody else who shares ports may listen there. Raises `ListenError`.
    """
    for attempt in range(_TRIES):
        opened = listen(host, port)  # in the way of whoever has the port, shared or not
        places = [(one.family, *one.getsockname()[:2]) for one in opened]
        for one in opened:
            one.close()
        together: list[list[socket.socket]] = []
        try:
            for _ in range(count):
                together.append([])
                for family, address, chosen in places:
                    together[-1].append(_listen_on(family, address, chosen, shared=True))
        except OSError as error:
            for one in (one for some in together for one in some):
                one.close()
            if _may_choose_again(error, port, attempt):
                continue  # somebody was faster
            raise _explained(error, host, port) from error
        return together
    raise AssertionError("unreachable")  # pragma: no cover - the last attempt returns or raises


def listen(host: str, port: int) -> list[socket.socket]:
    """Return sockets that listen on every address of `host`, all on the same port; port 0 takes a free one.

    Connections are accepted from now on: the kernel keeps them until they are served. Raises `ListenError`.
    """
    addresses = _addresses(host)
    for attempt in range(_TRIES):
        sockets: list[socket.socket] = []
        chosen = port
        try:
            for family, address in addresses:
                try:
                    sockets.append(_listen_on(family, address, chosen))
                except OSError as error:
                    if error.errno in _NO_SUCH_FAMILY and (sockets or (family, address) != addresses[-1]):
                        continue  # localhost on a machine without IPv6, or without IPv4
                    raise
                chosen = sockets[0].getsockname()[1]
        except OSError as error:
            for opened in sockets:
                opened.close()
            if _may_choose_again(error, port, attempt):
                continue
            raise _explained(error, host, port) from error
        return sockets
    raise AssertionError("unreachable")  # pragma: no cover - the last attempt returns or raises


def _may_choose_again(error: OSError, port: int, attempt: int) -> bool:
    return port == 0 and error.errno == errno.EADDRINUSE and attempt < _TRIES - 1


def _addresses(host: str) -> list[tuple[socket.AddressFamily, str]]:
    if host == "localhost":
        return [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise ListenError(
            f"cannot listen on {host!r}: it is neither an IP address nor a name this machine knows"
        ) from error
    return list(dict.fromkeys((family, str(address[0])) for family, _, _, _, address in found))


def _listen_on(family: int, address: str, port: int, *, shared: bool = False) -> socket.socket:
    # The protocol is named because asyncio leaves Nagle's algorithm on for sockets whose protocol is 0.
    opened = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            opened.setsockopt(
                socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
            )  # past connections in TIME_WAIT are no obstacle
        elif hasattr(socket, "SO_EXCLUSIVEADDRUSE"):  # pragma: no cover - Windows, where REUSEADDR would share the port
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        if shared and _SHARES is not None:
            opened.setsockopt(socket.SOL_SOCKET, _SHARES, 1)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # connections inherit both
        opened.bind((address, port))
        opened.listen(_BACKLOG)
        opened.setblocking(False)
    except BaseException:
        opened.close()
        raise
    return opened


def _explained(error: OSError, host: str, port: int) -> ListenError:
    where = f"{host} port {port}"
    if error.errno == errno.EADDRINUSE:
        text = f"cannot listen on {where}: another program does; stop it or choose another port (0 takes a free one)"
    elif error.errno == errno.EACCES:
        text = f"cannot listen on {where}: ports below 1024 need privileges; choose a higher one or grant them"
    elif error.errno == errno.EADDRNOTAVAIL:
        text = f"cannot listen on {where}: no network interface of this machine has this address"
    else:
        text = f"cannot listen on {where}: {error.strerror or error}"
    return ListenError(error.errno, text)
