"""Threads in which hooks run, each with an event loop: a hook that waits or sleeps holds up no other.

Hooks that do not overlap all run in the same thread and loop. Knows nothing of SMTP.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeAlias

from smtpfix.clock import monotonic

Job: TypeAlias = Callable[[], Coroutine[Any, Any, Callable[[], None]]]
"""What a thread is to do, and raises nothing; it returns what is called once the thread is free for another."""

_MOST: Final = 64
"""Threads at once; what is to be done beyond that waits for one of them."""
_CLOSE_BOUND: Final = 1.0
"""Seconds that closing waits for what still runs; then it is left alone, and its thread ends with it."""


class Workers:
    """One server's threads. They start with the first job, or with `loop`."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._given = loop
        self._lock = threading.Lock()
        self._all: list[_Worker] = []
        self._idle: list[_Worker] = []
        self._waiting: deque[Job] = deque()
        self._is_closed = False

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop of the first thread."""
        with self._lock:
            if not self._all:
                self._idle.append(self._new())
            return self._all[0].loop

    def run(self, job: Job) -> None:
        """Have a thread do a job, the one that did the last one if it is idle; forget it once closed."""
        with self._lock:
            if self._is_closed:
                return
            if not self._idle and len(self._all) >= _MOST:
                self._waiting.append(job)
                return
            worker = self._idle.pop() if self._idle else self._new()
        worker.do(job)

    def _new(self) -> _Worker:
        worker = _Worker(self._next, self._given if not self._all else None)
        self._all.append(worker)
        return worker

    def _next(self, worker: _Worker) -> Job | None:
        """Return what a thread that is done does next."""
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            self._idle.append(worker)
            return None

    def close(self) -> None:
        """Cancel what waits, and end the threads."""
        with self._lock:
            self._is_closed = True
            self._waiting.clear()
            workers = tuple(self._all)
        for worker in workers:
            worker.stop()
        until = monotonic() + _CLOSE_BOUND
        for worker in workers:
            if worker is not threading.current_thread():  # where a hook itself closes the server
                worker.join(max(0.0, until - monotonic()))


class _Worker(threading.Thread):
    """One thread, which runs once it is made."""

    loop: asyncio.AbstractEventLoop

    def __init__(self, next_job: Callable[[_Worker], Job | None], loop: asyncio.AbstractEventLoop | None) -> None:
        super().__init__(name="smtpfix-hooks", daemon=True)
        self._next_job = next_job
        self._make_loop = None if loop is None else lambda: loop
        self._is_there = threading.Event()
        self.start()
        self._is_there.wait()

    def run(self) -> None:
        with asyncio.Runner(loop_factory=self._make_loop) as runner:
            runner.run(self._stay())

    async def _stay(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._is_over = asyncio.Event()
        self._is_there.set()
        await self._is_over.wait()

    def do(self, job: Job) -> None:
        """Do a job, and what is to be done after it."""
        self.loop.call_soon_threadsafe(self._begin, job)

    def _begin(self, job: Job) -> None:
        self._task = self.loop.create_task(self._work(job))

    async def _work(self, job: Job | None) -> None:
        while job is not None:
            tell = await job()
            job = self._next_job(self)
            tell()

    def stop(self) -> None:
        """End, as soon as what does not wait is done."""
        self.loop.call_soon_threadsafe(self._is_over.set)
