"""The bytes of one connection: socket, TLS if it is on, and back-pressure. `conversation` interprets them.

`asyncio.BufferedProtocol` with one buffer for all connections of a loop: a read costs no allocation.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol, cast

from smtpfix.clock import monotonic
from smtpfix.later import Later

from .door import client_address, server_address
from .drip import Drip

if TYPE_CHECKING:
    from smtpfix.tls import side
    from smtpfix.tls.facts import TLSFailure
    from smtpfix.tls.side import TLSSide

    from .endless import Endless
else:
    side = Later("tls.side")

READ_SIZE: Final = 262_144
"""Octets one read takes at the most; the size of the buffer that a loop's connections share."""


_READS: Final = 10
"""Reads a second of a throttled connection."""


class Listener(Protocol):
    """Whom a channel tells what happens."""

    def connected(self) -> None:
        """Begin: the connection is there."""

    def readable(self) -> None:
        """Go on: `Channel.received` has grown, or there is room to write again."""

    def tls_established(self, tls: TLSSide) -> None:
        """Go on in TLS: the handshake is complete."""

    def tls_failed(self, tls: TLSSide, failure: TLSFailure, *, clear_text: bool) -> None:
        """Note that the handshake failed and the connection is about to close."""

    def lost(self, error: Exception | None) -> None:
        """End: the connection is gone; an error if it broke."""


class Gate(Protocol):
    """Who decides when a handshake goes on, where a rule has a say in it."""

    def lets_in(self, tls: TLSSide) -> bool:
        """Return whether what has come may be answered; False: the gate goes on with `Channel.resume_tls`."""

    def lets_out(self, tls: TLSSide, data: bytes) -> bool:
        """Send what the server says, or a part of it; False: the gate goes on with `Channel.resume_tls`."""


class Reads:
    """What the connections of one event loop share: the buffer they read into, never shared between threads."""

    def __init__(self) -> None:
        self.buffer = memoryview(bytearray(READ_SIZE))
        self.activity = 0
        """Counts what has happened on any connection, so that one can see whether something still does."""


class Channel(asyncio.BufferedProtocol):
    """One connection."""

    def __init__(self, reads: Reads, attach: Callable[[Channel], Listener]) -> None:
        self._reads = reads
        self._attach = attach
        self._listener: Listener
        self._transport: asyncio.Transport
        self.peer: tuple[str, int] | None = None
        """The IP address and port it was accepted from; who is gone by now has none any more."""
        self._tls: TLSSide | None = None
        self._out: list[bytes | memoryview] = []
        self.received = bytearray()
        """Octets that have come, decrypted, and are not used up yet; the listener deletes what it takes."""
        self.last_active = monotonic()
        """When something last came, by the monotonic clock."""
        self.is_blocked = False
        """Whether too many replies wait, for a client that does not read them or since they drip: the listener stops
        taking commands until told `readable`."""
        self._blocking: set[str] = set()
        self.is_closing = False
        self._is_paused = False
        self._gate: Gate | None = None
        self._drip: Drip | None = None
        self._endless: Endless | None = None
        self._send: Callable[[bytes], None]
        """Puts octets on the wire: at once, or as `drip` has it."""
        self._room = reads.buffer
        """Where the next read goes; a part of it, where the connection is throttled."""
        self._rate: int | None = None
        self._is_throttled = False
        self._has_said_everything = False

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._reads.activity += 1
        self._transport = cast("asyncio.Transport", transport)
        self._send = self._transport.write
        self._listener = self._attach(self)
        self._listener.connected()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        """Return where the next read goes."""
        return self._room

    def buffer_updated(self, nbytes: int) -> None:
        """Take in a read."""
        self._reads.activity += 1
        self.last_active = monotonic()
        if self.is_closing:
            return
        if self._rate is not None:
            self._rest(nbytes / self._rate)
        if self._tls is None:
            self.received += self._reads.buffer[:nbytes]
            self._listener.readable()
        else:
            self._tls.receive(self._reads.buffer[:nbytes])
            self._advance_tls(self._tls)

    def eof_received(self) -> bool:
        """Let asyncio close: whoever sends no more commands gets the replies that are due, and no more."""
        return False

    def pause_writing(self) -> None:
        """Stop reading while the client does not read."""
        self._block("client")

    def resume_writing(self) -> None:
        """Go on."""
        self._unblock("client")

    def _drip_is_full(self, is_full: bool) -> None:  # noqa: FBT001 - what `Drip` calls
        (self._block if is_full else self._unblock)("drip")

    def _block(self, who: str) -> None:
        self._blocking.add(who)
        self.is_blocked = True
        self._transport.pause_reading()

    def _unblock(self, who: str) -> None:
        self._blocking.discard(who)
        if self._blocking:
            return
        self.is_blocked = False
        self._read_on()
        if self._endless is not None:
            self._endless.go_on()
        self._listener.readable()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._reads.activity += 1
        if self._drip is not None:
            self._drip.stop()
        if self._endless is not None:
            self._endless.stop()
        if not self.is_closing and self._tls is not None and not self._tls.established:
            failure = self._tls.broken_off("the client closed the connection during the TLS handshake")
            self._listener.tls_failed(self._tls, failure, clear_text=False)
        self.is_closing = True
        self._listener.lost(exc)
        del self._listener  # which has this channel: without a circle, both are gone at once
        if self._tls is not None:
            self._tls.release()

    # The conversation's side

    def address(self, which: str) -> tuple[str, int]:
        """Return the IP address and port of one end: ``peername`` or ``sockname``."""
        if which == "peername" and self.peer is not None:
            return self.peer
        address = self._transport.get_extra_info(which) or ("", 0)
        return server_address(address) if which == "sockname" else client_address(address)

    @property
    def number(self) -> int:
        """Its file descriptor; -1 once it is closed."""
        opened = self._transport.get_extra_info("socket")
        return -1 if opened is None else int(opened.fileno())

    @property
    def in_tls(self) -> bool:
        """Whether TLS is established."""
        return self._tls is not None and self._tls.established

    @property
    def is_handshaking(self) -> bool:
        """Whether TLS has begun and is not established."""
        return self._tls is not None and not self._tls.established

    def write(self, data: bytes | memoryview) -> None:
        """Send with the next `flush`: the replies to pipelined commands leave together (RFC 2920 section 3.2)."""
        self._out.append(data)

    def flush(self, *, is_last: bool = False) -> None:
        """Send what was written; close if the client has said close_notify and all of it is answered.

        In TLS, what `is_last` waits for close_notify, and leaves with it.
        """
        if self._has_said_everything and not self._is_paused:
            self._has_said_everything = False
            self.close()
        if not self._out:
            return
        data = b"".join(self._out)  # which copies nothing where there is one
        self._out.clear()
        if self.is_closing or self._transport.is_closing():
            return
        if self._tls is not None and self._tls.established:  # before, a rule may still speak in clear
            try:
                self._tls.write(data)
            except ssl.SSLError:
                self.abort()
                return
            if is_last:
                return
            data = self._tls.to_send()
        self._send(data)

    def write_out(self, data: bytes) -> None:
        """Send at once, and as it is."""
        if data:
            self._send(data)

    def start_tls(self, tls: TLSSide, begun: bytes = b"", gate: Gate | None = None) -> None:
        """Begin TLS with the next octet that comes; what has come in clear is gone (RFC 3207 section 4.2).

        Not so `begun`, with which TLS begins.
        """
        self.flush()
        self.received.clear()
        self._tls = tls
        self._gate = gate
        if begun:
            tls.receive(memoryview(begun))
            self._advance_tls(tls)

    def suspend_tls(self) -> None:
        """Go on in clear as if there were no TLS, in the middle of a handshake."""
        self._tls = None

    def resume_tls(self, tls: TLSSide, data: bytes = b"") -> None:
        """Go on with a handshake, after sending what of it was held back."""
        self.flush()
        if self.is_closing:
            return
        self._tls = tls
        self.write_out(data)
        if self.received:
            tls.receive(self.received)
            self.received.clear()
        if tls.established:
            self._listener.tls_established(tls)
            self._send_tls()
        self._advance_tls(tls)

    def pause(self) -> None:
        """Take nothing in for a while."""
        self._is_paused = True
        if not self.is_closing and not self.is_blocked:
            self._transport.pause_reading()

    def resume(self) -> None:
        """Take in again."""
        self._reads.activity += 1
        self._is_paused = False
        self._read_on()

    def acknowledge(self) -> None:
        """Have what has come acknowledged at once, where the system can be told.

        A client with Nagle's algorithm on holds the rest of what it says back until then: 40 ms each time.
        """
        opened = self._transport.get_extra_info("socket")
        if opened is not None and hasattr(socket, "TCP_QUICKACK"):
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def peek(self) -> bytes:
        """Return the first octet of what has come and was not taken in, as while paused; it stays where it is."""
        opened = self._transport.get_extra_info("socket")
        if opened is None:
            return b""
        try:
            with opened.dup() as same:  # asyncio's own cannot be read from
                return bytes(same.recv(1, socket.MSG_PEEK))  # it does not block, as asyncio's does not
        except OSError:
            return b""

    def _rest(self, seconds: float) -> None:
        """Read nothing for some seconds."""
        self._is_throttled = True
        self._transport.pause_reading()
        asyncio.get_running_loop().call_later(seconds, self._rested)

    def _rested(self) -> None:
        self._is_throttled = False
        self._read_on()

    def _read_on(self) -> None:
        """Read again, unless something else stands against it."""
        if not (self.is_closing or self.is_blocked or self._is_paused or self._is_throttled):
            self._transport.resume_reading()

    def close(self, *, notify: bool = True) -> None:
        """Send what is due, and with it close_notify in TLS unless told otherwise; then close."""
        self.flush(is_last=True)
        if self.is_closing:
            return
        self.is_closing = True
        if notify and self._tls is not None and self._tls.established:
            self._tls.close()
        self._send_tls()
        if self._drip is not None and self._drip.is_busy:
            self._drip.then(self._transport.close)
        else:
            self._transport.close()

    def abort(self) -> None:
        """Close at once, whatever is due."""
        self.is_closing = True
        if self._drip is not None:
            self._drip.stop()
        self._transport.abort()

    def reset(self) -> None:
        """Break off with a TCP reset instead of closing in order."""
        opened = self._transport.get_extra_info("socket")
        if opened is not None:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.abort()

    def drip(self, octets: int, every: float) -> None:
        """From here on, send so many octets at a time, so many seconds apart."""
        self.flush()
        if self._drip is None:
            self._drip = Drip(octets, every, self._transport.write, self._drip_is_full)
            self._send = self._drip.add
        else:  # what still waits goes first
            self._drip.change(octets, every)

    @property
    def is_dripping(self) -> bool:
        """Whether something waits to be sent slowly."""
        return self._drip is not None and self._drip.is_busy

    def send_endlessly(self, octets: bytes) -> None:
        """From here on, send these octets again and again, until the connection is gone."""
        from .endless import Endless  # noqa: PLC0415 - few rules do so

        self.flush()
        self._endless = Endless(self, octets)
        self._endless.go_on()

    def throttle(self, octets_per_second: int) -> None:
        """From here on, read no more than so many octets a second."""
        self._rate = octets_per_second
        self._room = self._reads.buffer[: max(1, octets_per_second // _READS)]

    def fail_handshake(self, reason: str) -> None:
        """Give up on a handshake that does not come to an end."""
        if self._tls is not None and not self._tls.established:
            self._listener.tls_failed(self._tls, self._tls.broken_off(reason), clear_text=False)
            self.close()

    # TLS

    def _send_tls(self) -> None:
        if self._tls is not None and (data := self._tls.to_send()):
            self._send(data)

    def _advance_tls(self, tls: TLSSide) -> None:
        if not tls.established:
            gate = self._gate
            if gate is not None and not gate.lets_in(tls):
                return
            try:
                is_complete = tls.handshake()
            except side.HandshakeFailedError as error:
                self._send_tls()
                self._listener.tls_failed(tls, error.failure, clear_text=error.clear_text)
                self.close()
                return
            if gate is not None and not gate.lets_out(tls, tls.to_send()):
                return
            if not is_complete:
                self._send_tls()
                return
            self._listener.tls_established(tls)  # what it says leaves together with the end of the handshake
            self._send_tls()
        try:
            is_open = tls.read_into(self.received)
        except ssl.SSLError:
            self._send_tls()
            self.abort()
            return
        if data := tls.to_send():
            self._send(data)
        self._has_said_everything = not is_open
        self._listener.readable()
