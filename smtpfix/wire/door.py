"""`Door`: it accepts connections from listening sockets while there are file descriptors for them.

asyncio's own way logs a traceback a hundred times where descriptors run out, and takes the last one there is.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
import selectors
import socket
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from smtpfix.clock import monotonic

from .socket_transport import SocketTransport

try:
    import resource
except ImportError:  # pragma: no cover - Windows, which has no such limit
    resource = None  # type: ignore[assignment]

_RESERVED: Final = 32
"""File descriptors that clients leave to all else, such as messages that are to be saved; no more than a quarter."""
_AT_ONCE: Final = 100
"""Connections accepted in one go."""
_REST: Final = 0.1
"""Seconds until the next try where the system has no room for a connection; meanwhile they wait in its queue."""
_QUIET: Final = 60.0
"""Seconds between two warnings."""

Address: TypeAlias = tuple[str, int]
_LOCAL: Final = "local"
"""Stands for the client's address on a UNIX socket, where clients have none."""

_log: Final = logging.getLogger("smtpfix")


class Doorkeeper:
    """Watches the sockets of a loop's servers until their first client comes; any thread may add and take away some.

    A loop is told of sockets in its own thread only. For a server to which nobody connects, that was most of its cost:
    two threads taking turns, twice. So the loop watches one selector, and that watches the sockets.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin for a loop that does not run yet."""
        self.loop = loop
        self.can_watch = False
        """Whether it can; not on Windows, where selectors cannot be watched."""
        self._lock = threading.Lock()
        self._selector = selectors.DefaultSelector()
        with contextlib.suppress(AttributeError, NotImplementedError):
            loop.add_reader(self._selector.fileno(), self._look)
            self.can_watch = True

    def watch(self, listening: socket.socket, knock: Callable[[socket.socket], None]) -> None:
        """Have this called in the loop's thread, with the socket, as long as a client waits there."""
        with self._lock:
            self._selector.register(listening, selectors.EVENT_READ, knock)

    def forget(self, listening: socket.socket) -> None:
        """Watch it no longer; one more call may be on its way."""
        with self._lock:
            self._selector.unregister(listening)

    def close(self) -> None:
        """Watch nothing any more; in the loop's thread, at its end."""
        if self.can_watch:
            self.loop.remove_reader(self._selector.fileno())
        self._selector.close()

    def _look(self) -> None:
        with self._lock:
            found = self._selector.select(0)
        for key, _ in found:
            key.data(key.fileobj)


class Door:
    """One server's, in its loop's thread; until its first client comes, in any thread."""

    def __init__(
        self,
        keeper: Doorkeeper,
        listening: Sequence[socket.socket],
        welcome: Callable[[Address], asyncio.BufferedProtocol],
        turn_away: Callable[[socket.socket, Address], None],
    ) -> None:
        """`welcome` returns the protocol of a client, `turn_away` says what is said to one too many."""
        self._keeper = keeper
        self._loop = keeper.loop
        self._listening = tuple(listening)
        self._welcome = welcome
        self._turn_away = turn_away
        self._most = _most()
        self._is_plain = isinstance(keeper.loop, asyncio.SelectorEventLoop)
        self._resting: dict[socket.socket, asyncio.TimerHandle] = {}
        self._accepting: list[asyncio.Task[None]] = []
        self.arriving: dict[asyncio.Task[Any], socket.socket] = {}
        """Connections that are accepted and not there yet, on an event loop of another kind than asyncio's own."""
        self._unsaid = 0
        self._said = -_QUIET
        self._lock = threading.Lock()
        """For whoever is first: who opens, the first client, or who closes."""
        self._is_used = self._is_closed = False

    def open(self) -> None:
        """Accept from now on; from any thread."""
        if self._keeper.can_watch:
            with self._lock:  # who knocks at the first one has to wait until all are watched
                for one in self._listening:
                    self._keeper.watch(one, self._begin)
        else:  # pragma: no cover - Windows
            self._is_used = True
            for one in self._listening:
                self._loop.call_soon_threadsafe(self._open, one)

    def close_unused(self) -> bool:
        """Listen no more if no client has come, for good, and return whether that is so; from any thread."""
        with self._lock:
            if not self._is_used and not self._is_closed:
                self._is_closed = True
                for one in self._listening:
                    self._keeper.forget(one)
                    one.close()
            return self._is_closed

    def close(self) -> None:
        """Accept nothing more; what has been accepted arrives all the same."""
        for timer in self._resting.values():
            timer.cancel()
        for task in self._accepting:  # pragma: no cover - Windows
            task.cancel()
        for one in self._listening:
            with contextlib.suppress(NotImplementedError):
                self._loop.remove_reader(one)
            one.close()

    def _begin(self, knocked_at: socket.socket) -> None:
        """Let the first client in, and have the loop watch the sockets itself, which costs each client less."""
        with self._lock:
            if self._is_used or self._is_closed:
                return
            self._is_used = True
        for one in self._listening:
            self._keeper.forget(one)
            self._open(one)
        self._accept(knocked_at)

    def _open(self, listening: socket.socket) -> None:
        self._resting.pop(listening, None)
        try:
            self._loop.add_reader(listening, self._accept, listening)
        except NotImplementedError:  # pragma: no cover - Windows' proactor loop has no readers
            self._accepting.append(self._loop.create_task(self._accept_each(listening)))

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(_AT_ONCE):
            try:
                connected, peer = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:  # EMFILE, ENFILE, ENOBUFS, ENOMEM: whoever has it all will let go of some
                self._warn(f"cannot accept connections now: {error.strerror}; they wait")
                self._loop.remove_reader(listening)
                self._resting[listening] = self._loop.call_later(_REST, self._open, listening)
                return
            self._take(connected, peer)

    async def _accept_each(self, listening: socket.socket) -> None:  # pragma: no cover - Windows
        while True:
            self._take(*await self._loop.sock_accept(listening))

    def _take(self, connected: socket.socket, peer: Any) -> None:
        # The system gives the lowest number there is: this one says how many are in use, whoever uses them.
        if self._most is not None and connected.fileno() >= self._most:
            with connected, contextlib.suppress(OSError):
                self._turn_away(connected, client_address(peer))
            self._warn(f"turned a client away: {self._most} file descriptors are in use, the rest is not for clients")
            return
        protocol = self._welcome(client_address(peer))
        if self._is_plain:
            SocketTransport(self._loop, connected, protocol).begin()
            return
        arrival = self._loop.create_task(self._loop.connect_accepted_socket(lambda: protocol, connected))
        self.arriving[arrival] = connected
        arrival.add_done_callback(self.arriving.pop)

    def _warn(self, what: str) -> None:
        """Say it, but not again and again."""
        self._unsaid += 1
        now = monotonic()
        if now - self._said >= _QUIET:
            times = f" ({self._unsaid} times up to now)" if self._unsaid > 1 else ""
            _log.warning("%s%s; see RLIMIT_NOFILE, ulimit -n", what, times)
            self._said, self._unsaid = now, 0


def client_address(name: Any) -> Address:
    """Return the IP address and port of a client, as a socket names it; ``local`` and 0 on a UNIX socket."""
    return (str(name[0]), int(name[1])) if isinstance(name, tuple) else (_LOCAL, 0)


@functools.lru_cache(maxsize=128)
def server_address(name: Any) -> Address:
    """Return the IP address and port that a socket listens on; the path of a UNIX socket, and 0.

    It is the same for many sessions, whose records hold it once.
    """
    return (str(name[0]), int(name[1])) if isinstance(name, tuple) else (os.fsdecode(name), 0)


def _most() -> int | None:
    """Return how many file descriptors may be in use for a connection to be taken; None where there is no limit."""
    if resource is None:  # pragma: no cover - Windows
        return None
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if limit == resource.RLIM_INFINITY else limit - min(_RESERVED, limit // 4)
