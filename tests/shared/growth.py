"""How the work grows with the size of what is worked on: for the tests of what foreign octets may cost.

What is measured is this thread's own processor time, the least of several measurements, so other programs count for
little. Four times as much may take eight times as long; of a quadratic it would be sixteen times.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

_SMALL = (*range(16, 129, 8), 192, 256, 512)
_AT_ONCE = 0.1
"""Seconds for one of the small sizes: what takes longer grows with the cube at least, and would not end at large."""
_ATTEMPTS = 4


def seconds(work: Callable[[], object], times: int) -> float:
    """Return the processor time that some work takes, the least of several measurements.

    Without the garbage collector, whose time grows with all that the tests before have left.
    """
    least = float("inf")
    was_on = gc.isenabled()
    gc.disable()
    try:
        for _ in range(times):
            began = time.thread_time()
            work()
            least = min(least, time.thread_time() - began)
    finally:
        if was_on:
            gc.enable()
    return least


def assert_no_explosion(work: Callable[[int], object]) -> None:
    """Fail where small sizes take long, before one of them takes for ever."""
    for size in _SMALL:
        began = time.thread_time()
        work(size)
        if (took := time.thread_time() - began) > _AT_ONCE:
            raise AssertionError(f"{took:.3f} s for a size of {size}")


def assert_linear(
    prepare: Callable[[int], Callable[[], object]], size: int, *, clear: float = 0.002, growth: float = 8
) -> None:
    """Fail where four times the size takes more than `growth` times as long; small sizes first, which fail soon.

    `prepare` returns the work on something of a size, which it has made. What takes less than `clear` seconds says
    nothing.
    """
    for level in (size // 16, size // 4, size):
        once = prepare(level)
        if seconds(once, 1) < clear:
            continue
        four_times, measured = prepare(4 * level), []
        while True:
            measured.append(seconds(four_times, 2) / max(seconds(once, 3), clear))
            if measured[-1] < growth:
                break
            assert len(measured) < _ATTEMPTS, (
                f"{4 * level} takes {min(measured):.1f} times as long as {level}, {growth} are allowed"
            )
