"""`Drip`: it sends octets in small portions, one at a time, on the running event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

_MOST: Final = 65_536
"""Octets that may wait before the client is heard no more: what it says adds to them."""


class Drip:
    """What waits to be sent on one connection."""

    def __init__(self, octets: int, every: float, send: Callable[[bytes], None], full: Callable[[bool], None]) -> None:
        """Send by `send`; `full` is told when too much waits, and when there is room again."""
        self._octets = octets
        self._every = every
        self._send = send
        self._full = full
        self._is_full = False
        self._waiting: deque[tuple[bytearray, int, float]] = deque()
        """Octets, each with the pace that was set when they came."""
        self._count = 0
        """How many octets wait."""
        self._then: Callable[[], None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_busy(self) -> bool:
        """Whether something waits to be sent."""
        return bool(self._waiting)

    def add(self, data: bytes) -> None:
        """Send this after what is waiting."""
        if data:
            self._waiting.append((bytearray(data), self._octets, self._every))
            self._count += len(data)
        if self._count > _MOST and not self._is_full:
            self._is_full = True
            self._full(True)
        if self._timer is None:
            self._next()

    def change(self, octets: int, every: float) -> None:
        """From here on, send other portions at other times; what is waiting goes first, in its order and its pace."""
        self._octets = octets
        self._every = every

    def then(self, do: Callable[[], None]) -> None:
        """Do something once everything has been sent."""
        self._then = do

    def stop(self) -> None:
        """Forget what is waiting."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._waiting.clear()
        self._count = 0
        self._then = None

    def _next(self) -> None:
        self._timer = None
        if not self._waiting:
            return
        waiting, octets, every = self._waiting[0]
        portion = bytes(waiting[:octets])
        del waiting[:octets]
        self._count -= len(portion)
        if not waiting:
            self._waiting.popleft()
        self._timer = asyncio.get_running_loop().call_later(every, self._next)
        self._send(portion)
        if not self._waiting and self._then is not None:
            self._then()
        if self._is_full and self._count <= _MOST // 2:
            self._is_full = False
            self._full(False)
