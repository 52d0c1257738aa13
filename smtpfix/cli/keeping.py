"""The store of `smtpfix serve`: opened before the servers, and closed once all is there that has come.

Knows how a store's thread and the servers' come together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta

from smtpfix.conversation.service import Done
from smtpfix.mail.message import CapturedMessage
from smtpfix.server import Keep, Server
from smtpfix.store.opening import open_store
from smtpfix.store.writer import Retention, Writer
from smtpfix.wire.loop import LOOP_THREAD


@contextmanager
def keeping(
    where: str, keep: int | None, keep_for: timedelta | None, name_of: Callable[[Server], str]
) -> Iterator[Keep]:
    """Keep messages in a store; what it yields is for `Server`. Raises `StoreError`."""
    with closing(open_store(where)) as store:
        loop = LOOP_THREAD.hold()
        try:
            writer = Writer(store, loop.call_soon_threadsafe, retention=Retention(keep, keep_for)).start()

            def keep_one(server: Server, message: CapturedMessage, done: Done) -> None:
                writer.keep(name_of(server), message, done)

            try:
                yield keep_one
            finally:
                writer.close()
        finally:
            LOOP_THREAD.release()
