"""`Printer`: it shows events in a thread of its own, so a slow reader of the output holds nothing up."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from smtpfix.clock import monotonic

from .events import Output, ServeEvent, weight

_MOST: Final = 10_000
"""Events that wait to be shown."""
_PATIENCE: Final = 2.0
"""Seconds without progress after which what finds no room is dropped."""
_LOOK: Final = 0.1
"""Seconds between two looks at whether it may still be waited for."""


def _always() -> bool:
    return True


class Printer:
    """Shows events by an output, in order. What finds no room is dropped and counted."""

    def __init__(self, output: Output, failed: Callable[[OSError], None], octets: int) -> None:
        """Start the thread, in which `failed` is called if the output cannot be written; then it shows no more.

        What waits takes so many octets of memory at the most.
        """
        self._output = output
        self._failed = failed
        self._octets = octets
        self._weight = 0
        self._waiting: deque[ServeEvent] = deque()
        self._changed = threading.Condition()
        self._is_ending = self._is_stalled = self._has_failed = False
        self._shown = 0
        self.dropped = 0
        """How many events were not shown."""
        self._thread = threading.Thread(target=self._run, name="smtpfix output", daemon=True)
        self._thread.start()

    def show(self, event: ServeEvent, *, may_wait: Callable[[], bool] = _always) -> None:
        """Have an event shown soon; where too many wait, wait for a slow reader, and not for one that stalls.

        As long as nothing waits, there is room for an event of any size.
        """
        size = weight(event)
        with self._changed:
            shown, until = self._shown, monotonic() + _PATIENCE
            while not self._has_room(size) and may_wait() and not (self._is_stalled or self._has_failed):
                self._changed.wait(_LOOK)
                if self._shown != shown:
                    shown, until = self._shown, monotonic() + _PATIENCE
                self._is_stalled = monotonic() >= until
            if self._has_failed:
                return
            if not self._has_room(size):
                self.dropped += 1
                return
            self._waiting.append(event)
            self._weight += size
            self._changed.notify_all()

    def _has_room(self, size: int) -> bool:
        return not self._waiting or (len(self._waiting) < _MOST and self._weight + size <= self._octets)

    def finish(self, seconds: float) -> bool:
        """Show what waits, for so many seconds at the most; return whether the thread has ended."""
        with self._changed:
            self._is_ending = True
            self._changed.notify_all()
        self._thread.join(seconds)
        with self._changed:
            self.dropped += len(self._waiting) + self._thread.is_alive()
            self._waiting.clear()
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (event := self._next()) is not None:
            try:
                self._output.show(event)
            except OSError as error:
                with self._changed:
                    self._has_failed = True
                    self._waiting.clear()
                    self._changed.notify_all()
                self._failed(error)
                return
            with self._changed:
                self._shown += 1
                self._is_stalled = False
                self._changed.notify_all()

    def _next(self) -> ServeEvent | None:
        with self._changed:
            while not self._waiting:
                if self._is_ending:
                    return None
                self._changed.wait()
            event = self._waiting.popleft()
            self._weight -= weight(event)
            return event
