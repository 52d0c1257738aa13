"""`redirect`: connections to hard-coded hosts and ports lead to a server, in this process only."""

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
    """Redirect connections to hard-coded places to a server: ``redirect("smtp.gmail.com:587", to=server)``.

    A place is a host name or an IP address, with a port, or without one for all ports. Put an IPv6 address into
    brackets. This applies to connections through the socket module, such as those of smtplib and asyncio, and to
    nothing else: not to other hosts, ports and processes. While it lasts, the server's certificate is also valid for
    these names, if it is a good one of the server's authority; the client must still trust `Server.ca_file`. You can
    nest redirections; the innermost one wins. Raises `InvalidValueError`, and `NotRunningError` if the server does not
    run.
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
