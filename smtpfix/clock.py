"""A monotonic clock that goes on even if a test stops or moves the time, as freezegun and time-machine do.

freezegun replaces `time.monotonic` in every module, even a name that was imported from `time`, and may have done so
before this module is imported. Nothing replaces the system's own clock, which is read by its number.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Final

monotonic: Final[Callable[[], float]] = (
    partial(time.monotonic)  # at least not replaced later: freezegun looks for the function itself
    if sys.platform == "win32"
    else partial(time.clock_gettime, time.CLOCK_MONOTONIC)
)
"""Seconds since some moment."""
