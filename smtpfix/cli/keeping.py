"""The store of `smtpfix serve`: opened before the servers, and closed once all is there that has come.

Knows how a store's thread and the servers' come together.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from smtpfix.conversation.service import Done
from smtpfix.mail.message import CapturedMessage
from smtpfix.server import Keep, Server
from smtpfix.store.opening import open_store
from smtpfix.store.store import Store
from smtpfix.store.writer import Retention, Writer
from smtpfix.wire.loop import LOOP_THREAD


@dataclass(frozen=True, slots=True)
class Keeping:
    """A store that messages come into."""

    store: Store
    keep: Keep
    """For `Server`."""
    run: str
    """The id that stands before the numbers of sessions."""


@contextmanager
def keeping(
    where: str | None,
    keep: int | None,
    keep_for: timedelta | None,
    name_of: Callable[[Server], str],
    note: Callable[[CapturedMessage], None] | None = None,
) -> Iterator[Keeping]:
    """Keep messages in a store; None is a temporary file. Raises `StoreError`.

    `note` is told of every message, in the servers' thread.
    """
    if where is None:
        with (
            tempfile.TemporaryDirectory(prefix="smtpfix-") as directory,
            keeping(str(Path(directory) / "mail.db"), keep, keep_for, name_of, note) as kept,
        ):
            yield kept
        return
    with closing(open_store(where)) as store:
        loop = LOOP_THREAD.hold()
        try:
            writer = Writer(store, loop.call_soon_threadsafe, retention=Retention(keep, keep_for)).start()

            def keep_one(server: Server, message: CapturedMessage, done: Done) -> None:
                if note is not None:
                    note(message)
                writer.keep(name_of(server), message, done)

            try:
                yield Keeping(store, keep_one, writer.run)
            finally:
                writer.close()
        finally:
            LOOP_THREAD.release()
