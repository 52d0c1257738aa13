"""`SocketTransport`: one connection's socket on asyncio's own kind of event loop, with little around it.

It tells its protocol what asyncio's transport would. But that one needs a task, a future and four rounds of the loop
until a connection is there, one more at its end, and leaves a circle of objects for Python's garbage collector.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any, Final

_HIGH: Final = 65_536
"""Octets that may wait for the client to read before the protocol is told to pause."""
_LOW: Final = _HIGH // 4
"""Octets that may still wait when it is told to go on."""


class SocketTransport(asyncio.Transport):
    """One connection, in its loop's thread."""

    __slots__ = (
        "_error",
        "_has_said_all",
        "_in_call",
        "_is_closing",
        "_is_full",
        "_is_over",
        "_is_paused",
        "_loop",
        "_number",
        "_protocol",
        "_socket",
        "_waiting",
    )

    def __init__(
        self, loop: asyncio.AbstractEventLoop, connected: socket.socket, protocol: asyncio.BufferedProtocol
    ) -> None:
        connected.setblocking(False)
        self._loop = loop
        self._socket = connected
        self._number = connected.fileno()
        self._protocol = protocol
        self._waiting = bytearray()
        self._is_paused = self._is_full = self._has_said_all = False
        self._is_closing = False
        """Nothing more is read; what waits is still sent."""
        self._is_over = False
        """Nothing more is sent either; the protocol knows, or is about to."""
        self._error: Exception | None = None
        self._in_call = True
        """Whether the protocol is being told something, and will learn of the end right after that."""

    def begin(self) -> None:
        """Tell the protocol that the connection is there, and read from then on."""
        try:
            self._protocol.connection_made(self)
        except Exception as error:  # noqa: BLE001 - one connection's fault is not the others'
            self._fail(error)
        if not (self._is_closing or self._is_paused):
            self._loop.add_reader(self._number, self._read)
        self._called()

    def _called(self) -> None:
        self._in_call = False
        if self._is_over:
            self._lose()

    def _read(self) -> None:
        protocol = self._protocol
        self._in_call = True
        try:
            if count := self._socket.recv_into(protocol.get_buffer(-1)):
                protocol.buffer_updated(count)
            else:
                self.close()
        except (BlockingIOError, InterruptedError):
            pass
        except Exception as error:  # noqa: BLE001 - one connection's fault is not the others'
            self._fail(error)
        self._called()

    def _fail(self, error: Exception) -> None:
        """Break off; what no network is to blame for is logged."""
        if not isinstance(error, OSError):
            self._loop.call_exception_handler(
                {"message": "a connection was broken off", "exception": error, "transport": self}
            )
        self._break_off(error)

    def _break_off(self, error: Exception | None) -> None:
        if self._is_over:
            return
        if self._waiting:
            self._waiting.clear()
            self._loop.remove_writer(self._number)
        if not self._is_closing:
            self._stop_reading()
            self._is_closing = True
        self._end(error)

    def _end(self, error: Exception | None) -> None:
        self._is_over = True
        self._error = error
        if not self._in_call:
            self._loop.call_soon(self._lose)

    def _lose(self) -> None:
        protocol = self._protocol
        del self._protocol  # which has this transport: without a circle, both are gone at once
        try:
            protocol.connection_lost(self._error)
        finally:
            self._socket.close()

    def _stop_reading(self) -> None:
        if not self._is_paused:
            self._loop.remove_reader(self._number)

    # What the protocol asks

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return the ``socket``, or one end's address: ``sockname`` or ``peername``."""
        if name == "socket":
            return self._socket
        try:
            if name == "sockname":
                return self._socket.getsockname()
            return self._socket.getpeername() if name == "peername" else default
        except OSError:
            return default

    def is_closing(self) -> bool:
        """Return whether it is closed, or closes once everything is sent."""
        return self._is_closing

    def is_reading(self) -> bool:
        """Return whether it tells of what comes."""
        return not (self._is_closing or self._is_paused)

    def pause_reading(self) -> None:
        """Leave what comes where it is."""
        if not (self._is_closing or self._is_paused):
            self._stop_reading()
            self._is_paused = True

    def resume_reading(self) -> None:
        """Go on."""
        if self._is_paused and not self._is_closing:
            self._is_paused = False
            self._loop.add_reader(self._number, self._read)

    def get_write_buffer_size(self) -> int:
        """Return how many octets wait for the client to read."""
        return len(self._waiting)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send at once what the system takes, and the rest as the client reads."""
        if self._is_over:
            return
        if not self._waiting:
            try:
                sent = self._socket.send(data)
            except (BlockingIOError, InterruptedError):
                sent = 0
            except OSError as error:
                self._break_off(error)
                return
            if sent == len(data):
                return
            data = memoryview(data)[sent:]
            self._loop.add_writer(self._number, self._send_on)
        self._waiting += data
        if len(self._waiting) > _HIGH and not self._is_full:
            self._is_full = True
            self._protocol.pause_writing()

    def _send_on(self) -> None:
        try:
            sent = self._socket.send(self._waiting)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._break_off(error)
            return
        del self._waiting[:sent]
        if self._is_full and len(self._waiting) <= _LOW:
            self._is_full = False
            try:
                self._protocol.resume_writing()
            except Exception as error:  # noqa: BLE001 - one connection's fault is not the others'
                self._fail(error)
        if self._waiting:
            return
        self._loop.remove_writer(self._number)
        if self._is_over:
            return
        if self._is_closing:
            self._end(None)
        elif self._has_said_all:
            self._shut()

    def write_eof(self) -> None:
        """Say that nothing more follows, once everything is sent, and read on."""
        if not (self._is_closing or self._has_said_all):
            self._has_said_all = True
            if not self._waiting:
                self._shut()

    def _shut(self) -> None:
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError as error:
            self._break_off(error)

    def close(self) -> None:
        """Read no more; end once everything is sent."""
        if self._is_closing:
            return
        self._stop_reading()
        self._is_closing = True
        if not self._waiting:
            self._end(None)

    def abort(self) -> None:
        """End at once, whatever waits."""
        self._break_off(None)
