"""`Endless`: it sends the same octets again and again, no faster than the client reads."""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

_PORTION: Final = 16_384
"""Octets given out at a time, at least: what waits in memory is not much more."""
_PATIENCE: Final = 0.05
"""Seconds between two looks at whether what drips has run out."""


class Sink(Protocol):
    """A connection, as this sees it."""

    is_closing: bool
    is_blocked: bool

    @property
    def is_dripping(self) -> bool:
        """Whether something waits to be sent slowly."""

    def write(self, data: bytes) -> None:
        """Send with the next `flush`."""

    def flush(self) -> None:
        """Send what was written."""


class Endless:
    """What one connection is sent until it is gone."""

    def __init__(self, sink: Sink, octets: bytes) -> None:
        self._sink = sink
        self._portion = octets * -(-_PORTION // len(octets))
        self._timer: asyncio.TimerHandle | None = None

    def go_on(self) -> None:
        """Send a portion, unless what was sent before has not gone out; and come again."""
        self.stop()
        sink = self._sink
        if sink.is_closing or sink.is_blocked:  # blocked, the connection calls when there is room again
            return
        if not sink.is_dripping:
            sink.write(self._portion)
            sink.flush()
        if not sink.is_blocked:
            self._timer = asyncio.get_running_loop().call_later(_PATIENCE if sink.is_dripping else 0, self.go_on)

    def stop(self) -> None:
        """Send no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
