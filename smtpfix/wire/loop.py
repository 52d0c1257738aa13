"""One event-loop thread for all servers of a process: it runs as long as somebody holds it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from smtpfix.clock import monotonic
from smtpfix.forked import tell_in_child

from .channel import Reads
from .door import Doorkeeper

_QUIET_ROUNDS: Final = 5
"""Rounds of the loop without any event after which it has caught up; accepting a connection takes three."""
_CATCH_UP_BOUND: Final = 0.5
"""Seconds after which catching up is given up, because clients keep the loop busy."""
_LAST_ROUNDS: Final = 3
"""Rounds that the loop makes once nobody holds it: who closed and did not wait has connections that end in them."""
_STOP_BOUND: Final = 1.0
"""Seconds that are waited for the thread's end; one that is stuck in an observer ends by itself once it is free."""


NewLoop: TypeAlias = Callable[[], asyncio.AbstractEventLoop]
"""Makes an event loop that does not run yet."""


class LoopThread:
    """A thread with an event loop, shared by everybody who holds it."""

    def __init__(self) -> None:
        self._new_loop: NewLoop = _new_loop
        self._begin()
        tell_in_child(self)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._holders = 0
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._doorkeeper: Doorkeeper | None = None
        self.reads = Reads()

    def forked(self) -> None:
        """Begin anew in a child: it inherits the object, and no thread."""
        self._begin()

    def hold(self) -> asyncio.AbstractEventLoop:
        """Return the running loop; it goes on until each holder has called `release`."""
        with self._lock:
            if self._loop is None:
                self._loop = self._new_loop()
                self._doorkeeper = keeper = Doorkeeper(self._loop)
                self._thread = threading.Thread(target=_run, args=(self._loop, keeper), name="smtpfix", daemon=True)
                self._thread.start()
            self._holders += 1
            return self._loop

    def release(self) -> None:
        """Let go; the last one out stops the thread."""
        with self._lock:
            self._holders = max(self._holders - 1, 0)  # in a child, who held the parent's lets go of nothing
            if self._holders or self._loop is None or self._thread is None:
                return
            loop, thread = self._loop, self._thread
            self._loop = self._thread = self._doorkeeper = None
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_STOP_BOUND)

    @contextlib.contextmanager
    def made_by(self, new_loop: NewLoop) -> Iterator[None]:
        """Let the next loops be of another kind than asyncio's own; one that runs already stays."""
        before, self._new_loop = self._new_loop, new_loop
        try:
            yield
        finally:
            self._new_loop = before

    @property
    def doorkeeper(self) -> Doorkeeper:
        """What watches listening sockets for whoever holds it."""
        assert self._doorkeeper is not None  # noqa: S101 - who asks holds it
        return self._doorkeeper

    @property
    def is_current(self) -> bool:
        """Whether the caller runs in this thread."""
        return threading.current_thread() is self._thread

    def catch_up(self) -> None:
        """Return once the loop has worked through everything that the operating system has received by now.

        Lets a test look at what a client did the moment the client is done, without sleeping.
        """
        loop, deadline = self._loop, monotonic() + _CATCH_UP_BOUND
        if loop is None or self.is_current:
            return
        done = threading.Event()

        def look_again(quiet: int, activity: int) -> None:
            quiet = quiet + 1 if activity == self.reads.activity else 0
            if quiet >= _QUIET_ROUNDS or monotonic() > deadline:
                done.set()
            else:
                loop.call_soon(look_again, quiet, self.reads.activity)

        try:
            loop.call_soon_threadsafe(look_again, 0, -1)
        except RuntimeError:  # another thread has let go of the loop in the meantime: there is nothing left to do
            return
        done.wait(_CATCH_UP_BOUND)


def _new_loop() -> asyncio.AbstractEventLoop:
    """Return a loop whose timers go on where a test has stopped the time."""
    loop = asyncio.new_event_loop()
    with contextlib.suppress(TypeError):  # a loop that is not Python's own has its own clock
        vars(loop)["time"] = monotonic
    return loop


def _run(loop: asyncio.AbstractEventLoop, doorkeeper: Doorkeeper) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        for _ in range(_LAST_ROUNDS):
            loop.call_soon(loop.stop)
            loop.run_forever()
    finally:
        asyncio.set_event_loop(None)
        doorkeeper.close()
        loop.close()


LOOP_THREAD: Final = LoopThread()
"""The one of this process."""
