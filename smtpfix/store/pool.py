"""`Pool`: the connections of a store, as many as threads use at the same time."""

from __future__ import annotations

import queue
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, Protocol, TypeVar

from smtpfix.errors import StoreError


class Closable(Protocol):
    """What a pool needs to know of a connection."""

    def close(self) -> None:
        """Close it."""


ConnectionT = TypeVar("ConnectionT", bound=Closable)


class Pool(Generic[ConnectionT]):
    """Lends connections, and makes one where none is free; the one that came back last goes out first."""

    def __init__(self, where: str, connect: Callable[[], ConnectionT]) -> None:
        self._where = where
        self._connect = connect
        self._free: queue.LifoQueue[ConnectionT] = queue.LifoQueue()
        self._is_closed = False

    def take(self) -> tuple[ConnectionT, bool]:
        """Return a connection, and whether it is new. Raises `StoreError` once the pool is closed."""
        if self._is_closed:
            raise StoreError(f"cannot use {self._where}: it was closed")
        try:
            return self._free.get_nowait(), False
        except queue.Empty:
            return self._connect(), True

    def give_back(self, connection: ConnectionT) -> None:
        """Take a connection back; a closed pool closes it."""
        self._free.put(connection)
        if self._is_closed:
            self._close_free()

    def close(self) -> None:
        """Close the connections that are free now, and each of the others when it comes back."""
        self._is_closed = True
        self._close_free()

    def _close_free(self) -> None:
        with suppress(queue.Empty):
            while True:
                self._free.get_nowait().close()
