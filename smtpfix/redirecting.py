"""Hosts and ports that are hard-coded lead to a server, in this process only: `redirect`."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from .errors import InvalidValueError
from .resolver import Route, leading, normal

if TYPE_CHECKING:
    from .server import Server

_PLACE: Final = re.compile(r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+)]|(?P<host>[^][:\s/@]+))(?::(?P<port>[0-9]{1,5}))?")


@contextlib.contextmanager
def redirect(*places: str, to: Server) -> Iterator[None]:
    """Let connections to hard-coded places lead to a server: ``redirect("smtp.gmail.com:587", to=server)``.

    A place is a name or an address, with a port or for all of its ports; an IPv6 address stands in brackets. What goes
    through the socket module is led, as smtplib's and asyncio's connections are; other hosts, ports and processes are
    left alone. Meanwhile the server's certificate is for these names too, if it is a good one of its own authority; the
    client has to trust `Server.ca_file` all the same. May be nested, and the innermost counts. Raises
    `InvalidValueError`, and `NotRunningError` where the server does not run.
    """
    found = [_parse(place) for place in places]
    if not found:
        raise InvalidValueError("redirect", places, "at least one place, such as 'smtp.gmail.com:587'")
    if to.policy.unix_socket is not None:
        raise InvalidValueError("redirect: to", to, "a server with a port")
    routes = tuple(Route(host, to.place.host, port, to.port, to.reached_at) for host, port in found)
    with to.also_named(*(host for host, _ in found)), leading(*routes):
        yield


def _parse(place: str) -> tuple[str, int | None]:
    match = _PLACE.fullmatch(place) if isinstance(place, str) else None
    port = None if match is None or match["port"] is None else int(match["port"])
    if match is None or port == 0 or (port or 0) > 65535:  # noqa: PLR2004 - the highest port
        raise InvalidValueError("redirect", place, "HOST:PORT, such as 'smtp.gmail.com:587', or HOST for all its ports")
    return normal(match["ipv6"] or match["host"]), port
