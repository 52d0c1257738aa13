"""The store of `smtpfix serve`: opened before the servers start, closed when every message is stored.

Knows how a store's thread and the servers' come together.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TypeAlias

from smtpfix.conversation.service import Done
from smtpfix.mail.message import CapturedMessage
from smtpfix.record.session import Session
from smtpfix.rules.reply import Reply
from smtpfix.server import Server
from smtpfix.smtp.policy import Policy
from smtpfix.smtp.replies import ACCEPTED, NOT_KEPT
from smtpfix.store.mailboxes import MailboxBy
from smtpfix.store.opening import open_store
from smtpfix.store.row import new_id
from smtpfix.store.store import Store
from smtpfix.store.writer import Retention, Writer
from smtpfix.wire.loop import LOOP_THREAD

Note: TypeAlias = Callable[[CapturedMessage], None]


class Keeper:
    """Keeps what comes to some servers."""

    def __init__(self, store: Store, writer: Writer, name_of: Callable[[Server], str], note: Note | None) -> None:
        self.store = store
        self._writer = writer
        self._name_of = name_of
        self._note = note

    @property
    def run(self) -> str:
        """The id that stands before the numbers of this process's sessions; see `store.row.session_id`."""
        return self._writer.run

    def keep(self, server: Server, message: CapturedMessage, done: Done) -> CapturedMessage:
        """Keep a message, as `Server` asks for it; the id that it is found by is in its reply."""
        name = new_id()
        if message.reply == ACCEPTED and isinstance(server.policy, Policy) and _says_so(server.policy):
            message = replace(message, reply=Reply(250, "2.0.0", f"Ok: queued as {name}"))
        done = done if self._note is None else partial(_noted, self._note, message, done)
        self._writer.keep(self._name_of(server), message, done, name)
        return message

    def put(self, server: Server, session: Session) -> None:
        """Keep a session that has ended."""
        self._writer.put(self._name_of(server), session)


def _noted(note: Note, message: CapturedMessage, done: Done, failure: Exception | None) -> None:
    """Tell of a message once it is clear whether the client hears that it is accepted."""
    note(message if failure is None else replace(message, reply=NOT_KEPT))
    done(failure)


def _says_so(policy: Policy) -> bool:
    """Return whether a server has no words of its own for this; LMTP has a reply for each recipient."""
    return policy.protocol == "smtp" and "accepted" not in (policy.replies or {})


@contextmanager
def keeping(
    where: str | None,
    keep: int | None,
    keep_for: timedelta | None,
    name_of: Callable[[Server], str],
    note: Note | None = None,
    *,
    mailbox_by: MailboxBy | None = None,
) -> Iterator[Keeper]:
    """Keep messages and sessions in a store; None is a temporary file. Raises `StoreError`.

    `note` is told of every message, in the servers' thread.
    """
    if where is None:
        with (
            tempfile.TemporaryDirectory(prefix="smtpfix-") as directory,
            keeping(str(Path(directory) / "mail.db"), keep, keep_for, name_of, note, mailbox_by=mailbox_by) as keeper,
        ):
            yield keeper
        return
    with closing(open_store(where)) as store:
        loop = LOOP_THREAD.hold()
        try:
            retention = Retention(keep, keep_for)
            writer = Writer(store, loop.call_soon_threadsafe, retention=retention, mailbox_by=mailbox_by).start()

            try:
                yield Keeper(store, writer, name_of, note)
            finally:
                writer.close()
        finally:
            LOOP_THREAD.release()
