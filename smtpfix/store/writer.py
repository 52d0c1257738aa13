"""It stores messages as they arrive: one thread takes all that wait, commits once, and reports each as kept.

No timer makes groups: under load they grow by themselves, since more has come while the last one was written.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

from smtpfix.clock import monotonic
from smtpfix.errors import InvalidValueError, StoreError
from smtpfix.mail.message import CapturedMessage
from smtpfix.record.session import Session

from .mailboxes import MailboxBy, filed
from .row import Entry, entry_of, new_id
from .store import Store
from .stored import stored_session

Done: TypeAlias = Callable[[Exception | None], None]
"""Is told that a message is kept, or why it is not."""
Tell: TypeAlias = Callable[[Callable[[], None]], object]
"""Calls something where the others wait to be told, such as in an event loop."""

MOST_AT_ONCE: Final = 200
"""Messages of one transaction."""
MOST_UNAWAITED: Final = 64 * 1_048_576
"""Octets of messages that wait to be written and that nobody waits for; what is more is not kept."""
PRUNE_EVERY: Final = 60.0
"""Seconds between two looks for messages that are too old, or too many."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How long messages are kept."""

    keep: int | None = None
    """How many, the newest ones; None keeps all."""
    keep_for: timedelta | None = None
    """For how long; None keeps them for ever."""

    def __post_init__(self) -> None:
        if self.keep is not None and self.keep < 1:
            raise InvalidValueError("Retention.keep", self.keep, "a number of messages, 1 or more")
        if self.keep_for is not None and not self.keep_for > timedelta(0):
            raise InvalidValueError("Retention.keep_for", self.keep_for, "a time longer than none")

    def prune(self, store: Store) -> int:
        """Delete what need not be kept; return how many messages these were. Raises `StoreError`."""
        if self.keep is None and self.keep_for is None:
            return store.prune()
        before = None if self.keep_for is None else datetime.now(UTC) - self.keep_for
        return store.prune(keep=self.keep, before=before)


@dataclass(frozen=True, slots=True)
class _Waiting:
    message: CapturedMessage
    server: str
    done: Done
    name: str
    """Its id; ``""``: it gets one."""


@dataclass(frozen=True, slots=True)
class _Ended:
    session: Session
    server: str


_Item: TypeAlias = _Waiting | _Ended | Callable[[], None] | None
"""A message, a session, somebody who waits for those before, or the end."""


class Writer:
    """Writes to one store; its thread runs from `start` to `close`."""

    def __init__(
        self, store: Store, tell: Tell, *, retention: Retention | None = None, mailbox_by: MailboxBy | None = None
    ) -> None:
        self._mailbox_by = mailbox_by
        self._store = store
        self._tell = tell
        self._retention = retention or Retention()
        self._queue: queue.SimpleQueue[_Item] = queue.SimpleQueue()
        self._run = new_id()
        self._lock = threading.Lock()
        self._unawaited = 0
        self._thread = threading.Thread(target=self._write, name="smtpfix store", daemon=True)
        self._pruned = monotonic()

    @property
    def run(self) -> str:
        """The id that stands before the numbers of this process's sessions; see `row.session_id`."""
        return self._run

    def start(self) -> Writer:
        """Delete what need not be kept, and begin. Raises `StoreError`."""
        self._retention.prune(self._store)
        self._thread.start()
        return self

    def keep(self, server: str, message: CapturedMessage, done: Done, name: str = "") -> None:
        """Store a message soon, under an id if it has one already, and then tell `done`; returns at once.

        What was not accepted is not kept where too much of it waits already: its client does not wait, so could send
        more than can be written.
        """
        if not message.accepted:
            with self._lock:
                if self._unawaited > MOST_UNAWAITED:
                    error = StoreError("too many messages that were not accepted wait to be stored")
                    self._tell_all([(done, error)])
                    return
                self._unawaited += message.weight
        self._queue.put(_Waiting(message, server, done, name))

    def put(self, server: str, session: Session) -> None:
        """Store a session that has ended, soon; one that cannot be stored is lost."""
        self._queue.put(_Ended(session, server))

    def catch_up(self, timeout: float = 10.0) -> bool:
        """Wait until all is written that has come up to now; return whether it is."""
        caught_up = threading.Event()
        self._queue.put(caught_up.set)
        return caught_up.wait(timeout)

    def close(self) -> None:
        """Write what has come, and end."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()

    # In its thread

    def _write(self) -> None:
        while True:
            group = self._next_group()
            waiting = [item for item in group if isinstance(item, _Waiting)]
            if waiting:
                self._tell_all(self._store_all(waiting))
            if ended := [item for item in group if isinstance(item, _Ended)]:
                with suppress(StoreError):
                    self._store.put_sessions(
                        [stored_session(item.session, server=item.server, run=self._run) for item in ended]
                    )
            for item in group:
                if item is None:
                    return
                if not isinstance(item, _Waiting | _Ended):
                    item()
            if monotonic() - self._pruned > PRUNE_EVERY:
                self._pruned = monotonic()
                with suppress(StoreError):  # in a minute it is tried again
                    self._retention.prune(self._store)

    def _next_group(self) -> list[_Item]:
        """Return what waits; up to the end, if that is in it."""
        group: list[_Item] = []
        with suppress(queue.Empty):
            group.append(self._queue.get(timeout=PRUNE_EVERY))
            while len(group) < MOST_AT_ONCE and group[-1] is not None:
                group.append(self._queue.get_nowait())
        return group

    def _store_all(self, waiting: Sequence[_Waiting]) -> list[tuple[Done, Exception | None]]:
        """Store messages in one transaction; return what to tell whom."""
        entries: list[Entry] = []
        told: list[tuple[Done, Exception | None]] = []
        kept: list[Done] = []
        for item in waiting:
            try:
                entry = entry_of(item.message, server=item.server, run=self._run, name=item.name)
                entries.append(filed(entry, self._mailbox_by))
                kept.append(item.done)
            except Exception as error:  # noqa: BLE001 - one message takes no other one along
                told.append((item.done, error))
            if not item.message.accepted:
                with self._lock:
                    self._unawaited -= item.message.weight
        failure: Exception | None = None
        try:
            self._store.append(entries)
        except Exception as error:  # noqa: BLE001 - whatever it was, nobody may be told that it is kept
            failure = error
        return told + [(done, failure) for done in kept]

    def _tell_all(self, told: Sequence[tuple[Done, Exception | None]]) -> None:
        def tell() -> None:
            for done, error in told:
                done(error)

        with suppress(RuntimeError):  # the loop has closed, and so have all sessions
            self._tell(tell)
