"""`signals`: the signals that end `smtpfix serve`, and the one that makes it read its rules again."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from smtpfix.early_signals import EARLY_SIGNALS

from .events import Reason
from .pipe import complain

_BOUND: Final = 0.95
"""Seconds from a signal to the end, whatever has not been done by then."""
_SIGHUP: Final = getattr(signal, "SIGHUP", None)
"""Reads the file of rules again; Windows has no such signal."""
_SIGNALS: Final = {signal.SIGINT: Reason.INTERRUPTED, signal.SIGTERM: Reason.TERMINATED}


@contextmanager
def signals(end: Callable[[Reason], None], read_again: Callable[[], None] | None) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end it instead of breaking it off, however often they come; SIGHUP reads rules again.

    Those that came while the program was starting come now.
    """
    watchdog = threading.Timer(_BOUND, _break_off)
    watchdog.daemon = True
    to_start = [watchdog]

    def end_in_time(got: int, _: object) -> None:
        end(_SIGNALS[signal.Signals(got)])
        with suppress(IndexError):  # an earlier signal has taken it, and may be about to start it
            to_start.pop().start()

    previous = {number: signal.signal(number, end_in_time) for number in _SIGNALS}
    if _SIGHUP is not None and read_again is not None:
        previous[_SIGHUP] = signal.signal(_SIGHUP, lambda *_: read_again())
    try:
        EARLY_SIGNALS.pass_on()
        yield
    finally:
        watchdog.cancel()
        if watchdog.is_alive():
            watchdog.join()
        for number, handler in previous.items():
            signal.signal(number, handler)


def _break_off() -> None:
    """End at once: a disk, or something else that is waited for, has held up the end."""
    complain("ended by a signal, before everything was shown and every transcript saved")
    os._exit(2)
