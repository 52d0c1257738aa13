"""Waiting until the record grows: threads with a Condition, coroutines with a future, trio in a thread.

Knows nothing of what is waited for. The server's thread rings; a waiter looks again.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

from smtpfix.clock import monotonic
from smtpfix.errors import BlockingWaitError
from smtpfix.event_loops import has_green_threads, on_trio, running_library
from smtpfix.forked import tell_in_child

T = TypeVar("T")


class Bell:
    """One Condition for everything a server records. Whoever changes the record holds `lock` and rings."""

    def __init__(self) -> None:
        self._rings = 0
        self.forked()
        tell_in_child(self)

    def forked(self) -> None:
        """Begin without any waiter, and with nobody who holds the lock."""
        self.lock = threading.RLock()  # a Condition's own face costs three times as much, and the server rings often
        self._changed: threading.Condition | None = None  # made by the first who waits: most bells are never waited for
        self._waiting = 0
        self._futures: set[asyncio.Future[None]] = set()

    def ring(self) -> None:
        """Wake all waiters; call with `lock` held, after the change."""
        self._rings += 1
        if self._waiting and self._changed is not None:
            self._changed.notify_all()
        for future in self._futures:
            _wake_from_afar(future)
        self._futures.clear()

    def wait(self, ready: Callable[[], T | None], timeout: float, instead: str) -> T | None:
        """Return what `ready` returns once it is not None, or None after `timeout` seconds.

        `ready` is called without `lock`, and may take its time: nobody who rings waits for it, and it is called again
        if the bell rang meanwhile. Raises `BlockingWaitError`, naming what to call `instead`, where an event loop runs
        in this thread and would have to stand still for the answer.
        """
        deadline = monotonic() + timeout
        while True:
            rings, is_last = self._rings, monotonic() >= deadline
            if (result := ready()) is not None or is_last:
                return result
            _refuse_on_a_running_loop(instead)
            with self.lock:
                left = deadline - monotonic()
                if rings == self._rings and left > 0:
                    if self._changed is None:
                        self._changed = threading.Condition(self.lock)
                    self._waiting += 1
                    try:
                        self._changed.wait(min(left, threading.TIMEOUT_MAX))
                    finally:
                        self._waiting -= 1

    async def wait_async(self, ready: Callable[[], T | None], timeout: float) -> T | None:  # noqa: ASYNC109 - the point
        """Like `wait`, without blocking the event loop that it is awaited on, asyncio's or trio's.

        A thread wakes it when the time is over: the loop's clock may stand still, stopped by the test. Raises
        `BlockingWaitError` on another library's event loop.
        """
        library = running_library()
        if library == "trio":
            return await on_trio(lambda: self.wait(ready, timeout, ""))
        if library not in {None, "asyncio"}:
            raise BlockingWaitError(f"this wait can be awaited on asyncio and trio, not on {library}: wait in a thread")
        loop = asyncio.get_running_loop()
        deadline = monotonic() + timeout
        while True:
            rings, is_last = self._rings, monotonic() >= deadline
            if (result := ready()) is not None or is_last:
                return result
            future: asyncio.Future[None] = loop.create_future()
            with self.lock:
                if rings == self._rings:
                    self._futures.add(future)
                else:
                    loop.call_soon(_wake, future)  # whoever else is on this loop has a turn first
            alarm = threading.Timer(min(deadline - monotonic(), threading.TIMEOUT_MAX), _wake_from_afar, (future,))
            alarm.daemon = True
            alarm.start()
            try:
                await future
            finally:
                alarm.cancel()
                with self.lock:
                    self._futures.discard(future)


def _wake_from_afar(future: asyncio.Future[None]) -> None:
    with contextlib.suppress(RuntimeError):  # the waiter's loop has been closed: nobody waits there any more
        future.get_loop().call_soon_threadsafe(_wake, future)


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _refuse_on_a_running_loop(instead: str) -> None:
    if running_library() is not None:
        if has_green_threads():
            raise BlockingWaitError(
                "gevent has replaced Python's threads, and the server needs one: run it in a process of its own, by "
                "'smtpfix serve'"
            )
        raise BlockingWaitError(f"this wait would block the event loop running in this thread; use {instead}")
