"""Sending slowly: `Drip` gives octets out in small portions, one at a time, on the running event loop."""

from __future__ import annotations

import asyncio
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
        self._waiting = bytearray()
        self._then: Callable[[], None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_busy(self) -> bool:
        """Whether something waits to be sent."""
        return bool(self._waiting)

    def add(self, data: bytes) -> None:
        """Send this behind what is waiting."""
        self._waiting += data
        if len(self._waiting) > _MOST and not self._is_full:
            self._is_full = True
            self._full(True)
        if self._timer is None:
            self._next()

    def change(self, octets: int, every: float) -> None:
        """From here on, send other portions at other times; what is waiting goes first, in its order."""
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
        self._then = None

    def _next(self) -> None:
        self._timer = None
        if not self._waiting:
            return
        portion = bytes(self._waiting[: self._octets])
        del self._waiting[: self._octets]
        self._timer = asyncio.get_running_loop().call_later(self._every, self._next)
        self._send(portion)
        if not self._waiting and self._then is not None:
            self._then()
        if self._is_full and len(self._waiting) <= _MOST // 2:
            self._is_full = False
            self._full(False)
