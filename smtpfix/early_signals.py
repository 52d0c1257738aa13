"""Signals during the start of a program: they end it in an orderly way, or wait for their handler.

It imports almost nothing, so that a program can import it first: most of a start is spent on importing the rest.
"""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any, Final

_NAMES: Final = ("SIGINT", "SIGTERM", "SIGHUP")
"""The first two end a program, the last has it read its files again; Windows has no such signal."""


class EarlySignals:
    """What has come up to now."""

    def __init__(self) -> None:
        self._came: list[int] = []
        self._before: dict[int, Any] = {}

    def remember(self) -> None:
        """From here on, in the main thread, SIGHUP is remembered, and the others end the program with status 0."""
        for number in (getattr(signal, name) for name in _NAMES if hasattr(signal, name)):
            self._before[number] = signal.signal(number, self._note)

    def pass_on(self) -> None:
        """Raise what has come, once its handlers are there; what nobody handles is as it was before `remember`."""
        for number, handler in self._before.items():
            if signal.getsignal(number) == self._note:
                signal.signal(number, handler)
        self._before.clear()
        came, self._came = self._came, []
        for number in came:
            signal.raise_signal(number)

    def _note(self, number: int, _: FrameType | None) -> None:
        self._came.append(number)  # also where the exception gets lost, as in a destructor
        if number in (signal.SIGINT, signal.SIGTERM):
            raise SystemExit(0)


EARLY_SIGNALS: Final = EarlySignals()
"""Those of this process."""
