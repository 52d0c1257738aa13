"""The output of `serve --workers`: what waits for its reader, written without ever waiting for long."""

from __future__ import annotations

import os
import select
from typing import Final

from smtpfix.clock import monotonic

_ROOM: Final = 1_048_576
"""Octets that wait to be printed, beyond which workers have to wait."""
_AT_ONCE: Final = 4096
"""Octets that can be written to a pipe that has any room, without waiting."""


class Outlet:
    """What is to be printed, and the descriptor it goes to."""

    def __init__(self, descriptor: int) -> None:
        """Begin with nothing that waits."""
        self.descriptor = descriptor
        self._waiting = bytearray()
        self._is_open = True

    @property
    def is_full(self) -> bool:
        """Whether so much waits that nobody should add to it."""
        return len(self._waiting) >= _ROOM

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return not self._waiting

    def add(self, text: bytes) -> None:
        """Let text wait; where the output is closed, nobody will read it."""
        if self._is_open:
            self._waiting += text

    def write(self, seconds: float = 0.0) -> bool:
        """Write what waits, as far as that can be done at once or within so many seconds; return whether it could.

        Raises:
            BrokenPipeError: nobody reads any more; what waited is lost.
            OSError: it cannot be written; what waited is lost.
        """
        deadline = monotonic() + seconds
        poll = select.poll()
        poll.register(self.descriptor, select.POLLOUT)
        while self._waiting:
            if not poll.poll(max(0.0, deadline - monotonic()) * 1000):
                return False
            try:
                del self._waiting[: os.write(self.descriptor, self._waiting[:_AT_ONCE])]
            except BlockingIOError:
                return False
            except OSError:
                self._is_open = False
                self._waiting.clear()
                raise
        return True
