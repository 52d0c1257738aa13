"""`View`: what one session knows of a mailbox; `Reader`: what it has read.

Sequence numbers change only when the session is told so (RFC 9051 section 7.5.1); what is gone stays readable until
then. A view is used in the loop thread alone; changes may come from any.
"""

from __future__ import annotations

import bisect
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .mailbox import Entry, Mailbox
from .message import SessionSource
from .shelf import Mail, Shelf

if TYPE_CHECKING:
    import asyncio

_MOST_SPANS: Final = 1_000
"""Pieces of a message that a reader may fetch without any that touch."""


@dataclass(frozen=True, slots=True)
class Update:
    """What a session has to be told, in this order."""

    expunged: tuple[int, ...] = ()
    """Sequence numbers, the highest first, so that none of them changes another one."""
    exists: int | None = None
    """How many messages there are, where more have come."""
    changed: tuple[tuple[int, Entry], ...] = ()
    """Messages with new flags, and their sequence numbers once all the rest was told."""

    def __bool__(self) -> bool:
        return bool(self.expunged or self.exists is not None or self.changed)


class View:
    """One session's, of a mailbox that it has selected. Close it."""

    def __init__(
        self,
        shelf: Shelf,
        mailbox: Mailbox,
        *,
        read_only: bool = False,
        loop: asyncio.AbstractEventLoop | None = None,
        told: Callable[[], None] | None = None,
    ) -> None:
        self.mailbox = mailbox
        self.read_only = read_only
        self.entries: list[Entry]
        """The messages by sequence number, the first at 0, in the order of their UIDs."""
        self.recent: set[Entry] = set()
        """Those that no session was told of before this one."""
        self._shelf = shelf
        self._loop = loop
        self._told = told
        self._rings = False
        self._new: dict[Entry, None] = {}
        self._gone: dict[Entry, None] = {}
        self._changed: dict[Entry, None] = {}
        with self._shelf.lock:
            self.entries = mailbox.entries
            self._take_recent(self.entries)
            mailbox.views.add(self)

    def close(self) -> None:
        """Hear of no more changes."""
        with self._shelf.lock:
            self.mailbox.views.discard(self)
        self._told = None

    def number(self, entry: Entry) -> int | None:
        """Return a message's sequence number; None if it has none, or none any more."""
        at = bisect.bisect_left(self.entries, entry.uid, key=_uid)
        return at + 1 if at < len(self.entries) and self.entries[at] is entry else None

    def is_gone(self, entry: Entry) -> bool:
        """Whether a message was taken out, and the session may not know it yet."""
        return not self.mailbox.holds(entry)

    @property
    def has_changed(self) -> bool:
        """Whether there is anything to tell."""
        return bool(self._new or self._gone or self._changed)

    def know(self, entry: Entry) -> None:
        """Note that the session is told of a message's flags anyway."""
        with self._shelf.lock:
            self._changed.pop(entry, None)

    def update(self, *, expunge: bool = True) -> Update:
        """Return what the session has to be told now, and take it for told.

        Without `expunge` nothing that is gone is among it, as in an answer to FETCH, STORE or SEARCH.
        """
        if not self.has_changed:
            return _NOTHING
        with self._shelf.lock:
            expunged = []
            if expunge and self._gone:
                for entry in sorted(self._gone, key=_uid, reverse=True):
                    if (number := self.number(entry)) is not None:
                        expunged.append(number)
                        self.recent.discard(entry)
                gone = {entry for entry in self._gone if not self.mailbox.holds(entry)}
                self.entries = [entry for entry in self.entries if entry not in gone]
                self._gone.clear()
            new = list(self._new)
            self._new.clear()
            self._take_recent(new)
            self.entries += new
            changed = list(self._changed)
            self._changed.clear()
        numbered = ((self.number(entry), entry) for entry in sorted(changed, key=_uid))
        return Update(
            tuple(expunged),
            len(self.entries) if new else None,
            tuple((number, entry) for number, entry in numbered if number is not None),
        )

    def _take_recent(self, entries: list[Entry]) -> None:
        recent = [entry for entry in entries if entry.is_recent]
        self.recent.update(recent)
        if not self.read_only:
            for entry in recent:
                entry.is_recent = False

    # For the mailbox, with the lock held

    def came(self, entry: Entry) -> None:
        """Note that a message has come."""
        self._new[entry] = None
        self._ring()

    def left(self, entry: Entry) -> None:
        """Note that a message is gone."""
        self._changed.pop(entry, None)
        if entry in self._new:
            del self._new[entry]
        else:
            self._gone[entry] = None
            self._ring()

    def changed(self, entry: Entry) -> None:
        """Note that a message has other flags."""
        if entry not in self._new:
            self._changed[entry] = None
            self._ring()

    def _ring(self) -> None:
        """Tell the session in the loop thread, once for all that has changed by then."""
        if self._told is None or self._loop is None or self._rings:
            return
        self._rings = True
        with contextlib.suppress(RuntimeError):  # the loop has ended, and the session with it
            self._loop.call_soon_threadsafe(self._tell)

    def _tell(self) -> None:
        self._rings = False
        if self._told is not None and self.has_changed:
            self._told()


_NOTHING: Final = Update()


class Reader:
    """One session of a client that has logged in: what of each message was written to it.

    The record is the session's: `source`.
    """

    def __init__(self, source: SessionSource) -> None:
        self.source = source
        self._spans: dict[Mail, list[tuple[int, int]]] = {}

    def wrote(self, entry: Entry, begin: int = 0, end: int | None = None) -> bool:
        """Note that octets of a message were written to the client; return whether it now has had all of the body.

        Then `Mail.retrievals` is one more, and counting begins anew. The headers alone are a retrieval where there is
        no body.
        """
        mail = entry.mail
        size, body = len(mail.content), mail.body_at
        if body == size:
            body = 0
        begin, end = max(begin, body), size if end is None else min(end, size)
        if end < begin or (begin == end and size):
            return False
        earlier = self._spans.pop(mail, None)
        spans = [(begin, end)] if earlier is None else _joined([*earlier, (begin, end)])
        if spans[0][0] <= body and spans[0][1] >= size:
            mail.retrievals += 1
            return True
        self._spans[mail] = spans if len(spans) <= _MOST_SPANS else []
        return False


def _joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return spans in order, with those made one that touch."""
    spans.sort()
    joined = [spans[0]]
    for begin, end in spans[1:]:
        if begin <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], end)
        else:
            joined.append((begin, end))
    return joined


def _uid(entry: Entry) -> int:
    return entry.uid
