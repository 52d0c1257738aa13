"""When the time of a run is over: it counts from the connection, however long the program took to start."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from smtpfix.clock import monotonic

START: Final = 20.0
"""Seconds that a program may take beside its time until it connects: interpreters start and import in them."""


class RunTime(threading.Event):
    """Is set once a run's time is over, or the audit is stopped: whoever runs a program polls it.

    `connected` returns when the client first connected, by the monotonic clock; None as long as it has not.
    """

    def __init__(self, timeout: float, stop: threading.Event, connected: Callable[[], float | None]) -> None:
        super().__init__()
        self._timeout = timeout
        self._stop = stop
        self._connected = connected
        self._began = monotonic()

    @property
    def over(self) -> float:
        """When it is over, as far as is known."""
        connected = self._connected()
        return (self._began + START if connected is None else connected) + self._timeout

    def is_set(self) -> bool:
        """Return whether the program has to end."""
        return self._stop.is_set() or monotonic() >= self.over
