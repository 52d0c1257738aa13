"""Events for listeners: the store's journal, read once for all, and a bounded queue for each listener.

Asks the store nothing while nobody listens. A listener that lets `MOST_WAITING` events pile up is dropped.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

from smtpfix.errors import StoreError
from smtpfix.store.row import Row
from smtpfix.store.store import MOST_CHANGES, Change, Closing, Kind, Store

MOST_WAITING: Final = 1000
"""Events that one listener may leave unread."""
MOST_AT_ONCE: Final = 50
"""Events that are sent together, where so many wait."""
PAUSE: Final = 0.02
"""Seconds between two looks where several changes came at once, so that the next look finds more."""
RETRY: Final = 1.0
"""Seconds until a store that could not be read is asked again."""


@dataclass(frozen=True, slots=True)
class Event:
    """A change, and of a new message its row."""

    change: Change
    row: Row | None = None


class Listener:
    """Somebody who is told."""

    def __init__(self, wants: Callable[[Event], bool] | None = None) -> None:
        self._wants = wants
        self._events: asyncio.Queue[Event] = asyncio.Queue(MOST_WAITING + 1)
        self._task = asyncio.current_task()
        self.is_dropped = False
        self.last = 0
        """The number of the last change it was told."""

    def tell(self, event: Event) -> None:
        """Put an event into the queue; with too many in it, drop the listener, wherever it hangs."""
        if self.is_dropped or event.change.n <= self.last:
            return
        self.last = event.change.n
        if self._wants is not None and not self._wants(event):
            return
        self._put(event)

    def _put(self, event: Event) -> None:
        if self._events.qsize() >= MOST_WAITING:
            self.drop()
        else:
            self._events.put_nowait(event)

    def drop(self) -> None:
        """End it, wherever it hangs."""
        self.is_dropped = True
        if self._task is not None:
            self._task.cancel()

    async def next(self, within: float | None = None) -> Event | None:
        """Return the next event; None where none comes in so many seconds."""
        try:
            return await asyncio.wait_for(self._events.get(), within)
        except TimeoutError:
            return None

    def more(self) -> Iterator[Event]:
        """Yield the events that wait, `MOST_AT_ONCE` at most."""
        for _ in range(min(self._events.qsize(), MOST_AT_ONCE)):
            yield self._events.get_nowait()

    def tell_aside(self, event: Event) -> None:
        """Put an event into the queue that is in no journal: who is away misses it."""
        if not self.is_dropped and (self._wants is None or self._wants(event)):
            self._put(event)

    def rest(self) -> None:
        """Forget what waits."""
        while not self._events.empty():
            self._events.get_nowait()


class Hub:
    """Reads the journal while somebody listens."""

    def __init__(self, store: Store, run: Callable[..., Awaitable[Any]]) -> None:
        self._store = store
        self._run = run
        self._listeners: set[Listener] = set()
        self._starting = asyncio.Lock()
        self._pump: tuple[asyncio.Task[None], Closing] | None = None

    @property
    def count(self) -> int:
        """How many listen."""
        return len(self._listeners)

    @asynccontextmanager
    async def listen(
        self, since: int | None = None, wants: Callable[[Event], bool] | None = None
    ) -> AsyncIterator[Listener]:
        """Tell somebody of what happens from now on, or after an entry of the journal; of what he wants alone."""
        listener = Listener(wants)
        async with self._starting:
            if self._pump is None:
                await self._start()
            if since is not None:
                listener.last = since
                while listener.last < self._seen and (events := await self._run(self._read, listener.last)):
                    for event in events:
                        listener.tell(event)
            self._listeners.add(listener)
        try:
            yield listener
        except asyncio.CancelledError:
            if not listener.is_dropped:
                raise
        finally:
            self._listeners.discard(listener)
            if not self._listeners:
                self.close()

    def tell_of_audit(self, id: str) -> None:  # noqa: A002 - what it is
        """Tell all that an audit has gone on; audits are this process's, and stand in no journal."""
        for listener in tuple(self._listeners):
            listener.tell_aside(Event(Change(0, Kind.AUDIT, data={"id": id})))

    def end(self) -> None:
        """Drop all who listen."""
        for listener in self._listeners:
            listener.drop()

    async def _start(self) -> None:
        self._seen = await self._run(self._store.last_change)
        loop, woken = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            with suppress(RuntimeError):  # the loop has closed
                loop.call_soon_threadsafe(woken.set)

        listening = await self._run(self._store.listen, wake)
        self._pump = (asyncio.create_task(self._tell_all(woken)), listening)

    def close(self) -> None:
        """Read no more."""
        if self._pump is not None:
            (task, listening), self._pump = self._pump, None
            task.cancel()
            asyncio.get_running_loop().run_in_executor(None, listening.close)  # it may wait for a thread

    async def _tell_all(self, woken: asyncio.Event) -> None:
        while True:
            woken.clear()  # what is committed from here on wakes again
            events: list[Event] = []
            try:
                while events := await self._run(self._read, self._seen):
                    self._seen = events[-1].change.n
                    for event in events:
                        for listener in tuple(self._listeners):
                            listener.tell(event)
                    if len(events) < MOST_CHANGES:
                        break
            except StoreError:
                await asyncio.sleep(RETRY)
                continue
            if len(events) > 1:
                await asyncio.sleep(PAUSE)
            await woken.wait()

    def _read(self, after: int) -> list[Event]:
        """Return what has happened after an entry; new messages that are gone again are left out."""
        changes = self._store.changes(after)
        new = [change.seq for change in changes if change.kind is Kind.NEW and change.seq is not None]
        rows = self._store.rows(new) if new else {}
        return [Event(one, rows.get(one.seq or 0) if one.kind is Kind.NEW else None) for one in changes]
