"""`WireServer`: a server that keeps every octet of its clients, as a passive attacker would see it.

Other servers pay nothing for it. What is kept does not depend on what the conversation makes of it: also octets of long
lines, injected ones, those sent while the server stalls, and those sent after it has hung up.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from smtpfix.clock import monotonic
from smtpfix.conversation.serving import Attach
from smtpfix.pki.authority import Authority
from smtpfix.policy.place import Place
from smtpfix.policy.server_policy import ServerPolicy
from smtpfix.server import Server
from smtpfix.wire.channel import Channel
from smtpfix.wire.loop import LOOP_THREAD

from .deployment import is_address

MOST_KEPT: Final = 4_194_304
"""Octets kept of one connection."""

_CLIENT_HELLO: Final = re.compile(rb"\x16\x03[\x00-\x04]..\x01\x00", re.DOTALL)
"""A TLS record with a ClientHello in it (RFC 8446 sections 5.1 and 4)."""
_RECORD_TYPES: Final = range(20, 24)
_HEADER: Final = 5


class WireServer(Server[Any]):
    """A `Server` whose connections are kept as raw octets too."""

    is_reported = False  # the audit's own evidence does

    def __init__(
        self, policy: ServerPolicy | None = None, *, authority: Authority | None = None, known_as: str | None = None
    ) -> None:
        super().__init__(policy, authority=authority)
        self._known_as = known_as
        self.wires: tuple[bytearray, ...] = ()
        """What each client sent, one a connection; complete up to now once `sessions` has been read."""
        self.first_connected: float | None = None
        """When the first client connected, by the monotonic clock."""
        self._lost: dict[int, float | None] = {}

    @property
    def place(self) -> Place:
        """The names it goes by: to clients on other machines, by the name or address that they connect to."""
        place, known_as = super().place, self._known_as
        if known_as is None:
            return place
        return place._replace(host=known_as, address=known_as if is_address(known_as) else place.address)

    def _channel(self, attach: Attach) -> Channel:
        if self.first_connected is None:
            self.first_connected = monotonic()
        kept = bytearray()
        self.wires = (*self.wires, kept)
        number = len(self.wires)
        self._lost[number] = None
        return _Wire(kept, attach, lambda: self._lost.update({number: monotonic()}))

    def was_connected(self, moment: float) -> bool:
        """Return whether a client was connected at a moment, by the monotonic clock."""
        return any(lost is None or lost >= moment for lost in [*self._lost.values()])

    @property
    def clear_octets(self) -> tuple[bytes, ...]:
        """What came outside TLS on each connection; all of it where a cipher encrypts nothing."""
        encrypts_nothing = any(session.tls is not None and not session.tls.cipher_bits for session in self.sessions)
        return tuple(bytes(kept) if encrypts_nothing else outside_tls(bytes(kept)) for kept in self.wires)


class _Wire(Channel):
    """One connection. In clear the server hangs up by saying no more, and listens on: what comes still can be read."""

    def __init__(self, kept: bytearray, attach: Attach, lost: Callable[[], object]) -> None:
        super().__init__(LOOP_THREAD.reads, attach)
        self._kept = kept
        self._gone = lost

    def connection_lost(self, exc: Exception | None) -> None:
        """Take note of when it was, and end."""
        self._gone()
        super().connection_lost(exc)

    def buffer_updated(self, nbytes: int) -> None:
        """Keep a read, then take it in."""
        room = MOST_KEPT - len(self._kept)
        if room > 0:
            self._kept += self._reads.buffer[: min(nbytes, room)]
        super().buffer_updated(nbytes)

    def close(self, *, notify: bool = True) -> None:
        """Say no more; in TLS, and after replies that drip, close as every server does."""
        if self.is_closing or self._tls is not None or self._drip is not None:
            super().close(notify=notify)
            return
        self.flush()
        self.is_closing = True
        self._transport.write_eof()
        self._transport.resume_reading()


def outside_tls(octets: bytes) -> bytes:
    """Return what of one side of a connection is no TLS record: before the first ClientHello, and where records end."""
    clear = bytearray()
    position = 0
    while (hello := _CLIENT_HELLO.search(octets, position)) is not None:
        clear += octets[position : hello.start()]
        position = hello.start()
        while _is_record(octets, position):
            position += _HEADER + int.from_bytes(octets[position + 3 : position + _HEADER], "big")
    return bytes(clear + octets[position:])


def _is_record(octets: bytes, position: int) -> bool:
    head = octets[position : position + _HEADER]
    return len(head) == _HEADER and head[0] in _RECORD_TYPES and head[1] == 3 and head[2] <= 4  # noqa: PLR2004
