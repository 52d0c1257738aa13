"""`HeaderFirst`: the PROXY protocol header at the start of a connection, which names the client.

The header's syntax is `wire.proxy_header`'s.
"""

from __future__ import annotations

from typing import Any, Final

from smtpfix.clock import monotonic
from smtpfix.record.session_end import SessionEnd
from smtpfix.safe_text import printable
from smtpfix.wire.proxy_header import Malformed, parse_header

from .connection import Connection

_SHOWN: Final = 120
"""Octets of what came instead of a header that the transcript keeps."""


class HeaderFirst:
    """Waits for one connection's PROXY protocol header: nothing is said before it has come."""

    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection
        self.began = monotonic()
        """When the connection began, by the monotonic clock."""

    def take(self, buffer: bytearray) -> bool:
        """Take the header off what has come; return whether it was there. What is none ends the session."""
        recorder = self._connection.recorder
        header = parse_header(bytes(buffer))
        if header is None:
            return False
        if isinstance(header, Malformed):
            shown = recorder.excerpt(bytes(buffer), _SHOWN)
            recorder.note(f"no PROXY protocol header: {header.reason}; got {shown}")
            self._connection.end(SessionEnd.NO_PROXY_HEADER)
            return False
        del buffer[: header.size]
        recorder.proxy = header
        if header.source is not None:
            recorder.client = header.source
        recorder.note(f"{printable(str(header))}, forwarded by {recorder.peer[0]} port {recorder.peer[1]}")
        return True

    def give_up(self) -> None:
        """End a session whose header does not come in time."""
        self._connection.recorder.note("no PROXY protocol header came in time")
        self._connection.end(SessionEnd.TIMEOUT)
