"""The store of `smtpfix serve`: opened before the servers, and closed once all is there that has come.

Knows how a store's thread and the servers' come together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta

from smtpfix.conversation.service import Done
from smtpfix.mail.message import CapturedMessage
from smtpfix.record.session import Session
from smtpfix.server import Server
from smtpfix.store.opening import open_store
from smtpfix.store.writer import Retention, Writer
from smtpfix.wire.loop import LOOP_THREAD


class Keeper:
    """Keeps what comes to some servers."""

    def __init__(self, writer: Writer, name_of: Callable[[Server], str]) -> None:
        self._writer = writer
        self._name_of = name_of

    def keep(self, server: Server, message: CapturedMessage, done: Done) -> None:
        """Keep a message, as `Server` asks for it."""
        self._writer.keep(self._name_of(server), message, done)

    def put(self, server: Server, session: Session) -> None:
        """Keep a session that has ended."""
        self._writer.put(self._name_of(server), session)


@contextmanager
def keeping(
    where: str, keep: int | None, keep_for: timedelta | None, name_of: Callable[[Server], str]
) -> Iterator[Keeper]:
    """Keep messages and sessions in a store. Raises `StoreError`."""
    with closing(open_store(where)) as store:
        loop = LOOP_THREAD.hold()
        try:
            writer = Writer(store, loop.call_soon_threadsafe, retention=Retention(keep, keep_for)).start()

            try:
                yield Keeper(writer, name_of)
            finally:
                writer.close()
        finally:
            LOOP_THREAD.release()
