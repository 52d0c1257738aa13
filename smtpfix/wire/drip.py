"""Sending slowly: `Drip` gives octets out in small portions, one at a time, on the running event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable


class Drip:
    """What waits to be sent on one connection."""

    def __init__(self, octets: int, every: float, send: Callable[[bytes], None]) -> None:
        self._octets = octets
        self._every = every
        self._send = send
        self._waiting: deque[tuple[bytearray, int, float]] = deque()
        """Octets, each with the pace that was set when they came."""
        self._then: Callable[[], None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_busy(self) -> bool:
        """Whether something waits to be sent."""
        return bool(self._waiting)

    def add(self, data: bytes) -> None:
        """Send this behind what is waiting."""
        if data:
            self._waiting.append((bytearray(data), self._octets, self._every))
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
        self._then = None

    def _next(self) -> None:
        self._timer = None
        if not self._waiting:
            return
        waiting, octets, every = self._waiting[0]
        portion = bytes(waiting[:octets])
        del waiting[:octets]
        if not waiting:
            self._waiting.popleft()
        self._timer = asyncio.get_running_loop().call_later(every, self._next)
        self._send(portion)
        if not self._waiting and self._then is not None:
            self._then()
