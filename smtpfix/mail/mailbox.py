"""`Mailbox`: a folder that clients' sessions work on, with its `Entry`s; `stored` is what tests see of it.

Knows no protocol. Whatever is called here takes the lock of the `Shelf`, and no content is read under it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from .message import SessionSource
from .shelf import Mail, Shelf
from .stored import DELETED, SEEN, SYSTEM_FLAGS, Folder, Gone, StoredMessage

if TYPE_CHECKING:
    from .view import View

_OVERHEAD: Final = 500
"""Octets that an entry takes beside its content, about."""
_NO_FLAGS: Final[frozenset[str]] = frozenset()
"""One for all messages without flags; Python would make 216 octets for each."""
_SYSTEM: Final = {flag.lower(): flag for flag in SYSTEM_FLAGS}


@dataclass(eq=False, slots=True)
class Entry:
    """One message in one mailbox. Its flags are replaced as a whole, so that reading them takes no lock."""

    uid: int
    mail: Mail
    date: datetime
    """Its INTERNALDATE, aware of its time zone."""
    flags: frozenset[str] = _NO_FLAGS
    """As `known_flags` writes them."""
    modseq: int = 1
    """The mailbox's when it last changed (RFC 7162)."""
    is_recent: bool = True
    """Whether no session has been told of it yet."""
    saved: datetime = field(default_factory=lambda: datetime.now(UTC))
    """When it came into this mailbox."""

    @property
    def content(self) -> bytes:
        """Its octets."""
        return self.mail.content

    @property
    def size(self) -> int:
        """Their number."""
        return len(self.mail.content)

    @property
    def is_seen(self) -> bool:
        """Whether it is marked as read."""
        return SEEN in self.flags

    @property
    def is_deleted(self) -> bool:
        """Whether it is marked to be deleted."""
        return DELETED in self.flags


def known_flags(flags: Iterable[str]) -> frozenset[str]:
    """Return flags as they are written: system flags are known in any case (RFC 9051 section 2.3.2).

    Keywords differing in case alone are one keyword, the first. Raises `ValueError` naming a system flag there is not.
    """
    found: dict[str, str] = {}
    for flag in flags:
        low = flag.lower()
        if flag.startswith("\\") and low not in _SYSTEM:
            raise ValueError(f"no such flag: {flag}")
        found.setdefault(low, _SYSTEM.get(low, flag))
    return frozenset(found.values()) if found else _NO_FLAGS


class Mailbox:
    """A folder of an account. Its messages are in the order of their UIDs."""

    def __init__(
        self,
        shelf: Shelf,
        name: str,
        uidvalidity: int,
        gone: OrderedDict[Entry, Gone],
        special_use: str | None = None,
    ) -> None:
        self.name = name
        self.uidvalidity = uidvalidity
        self.special_use = special_use
        """Its attribute (RFC 6154), such as ``\\Sent``."""
        self.is_selectable = True
        """False for a name that is there only because others are below it."""
        self.uidnext = 1
        self.modseq = 1
        """Grows with every change (RFC 7162)."""
        self.views: set[View] = set()
        """Those of the sessions that have selected it."""
        self.octets = 0
        """The sizes of its messages together."""
        self._shelf = shelf
        self._gone = gone
        self._let_go: Callable[[Entry], object] = self._drop
        self._forget_gone: Callable[[Entry], object] = gone.pop
        """Made once: the shelf keeps one of them for every message."""
        self._entries: dict[int, Entry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def entries(self) -> list[Entry]:
        """Its messages now, oldest first: a list of the caller's own."""
        with self._shelf.lock:
            return list(self._entries.values())

    def entry(self, uid: int) -> Entry | None:
        """Return the message with this UID, or None."""
        return self._entries.get(uid)

    def holds(self, entry: Entry) -> bool:
        """Return whether a message is still here."""
        return self._entries.get(entry.uid) is entry

    # Changing

    def add(
        self,
        mail: Mail,
        flags: frozenset[str] = _NO_FLAGS,
        date: datetime | None = None,
        *,
        octets: int | None = None,
    ) -> Entry:
        """Put a message here, as the last one; `octets` is what it takes, where that is not its size."""
        with self._shelf.lock:
            entry = Entry(self.uidnext, mail, date or datetime.now(UTC).astimezone(), flags, self._change())
            self.uidnext += 1
            self._entries[entry.uid] = entry
            self.octets += entry.size
            mail.copies += 1
            taken = len(mail.content) if octets is None else octets
            for view in self.views:
                view.came(entry)
            self._shelf.keep(entry, _OVERHEAD + taken, self._let_go)
            self._shelf.bell.ring()
            return entry

    def remove(self, entries: Iterable[Entry], how: str, source: SessionSource | None = None) -> list[Entry]:
        """Take messages out for good and return those that were here; `how` and `source` say which client did it."""
        with self._shelf.lock:
            found = [entry for entry in entries if self.holds(entry)]
            for entry in found:
                octets = self._shelf.forget(entry)
                gone = Gone(self.stored(entry), how, source)
                self._take_out(entry)
                self._gone[entry] = gone
                self._shelf.keep(entry, octets, self._forget_gone)
            if found:
                self._shelf.bell.ring()
            return found

    def empty(self) -> None:
        """Forget all messages; UIDs go on."""
        with self._shelf.lock:
            for entry in list(self._entries.values()):
                self._shelf.forget(entry)
                self._take_out(entry)

    def set_flags(self, entry: Entry, flags: frozenset[str]) -> bool:
        """Give a message these flags, as `known_flags` returns them; return whether they are others than before."""
        with self._shelf.lock:
            if flags == entry.flags:
                return False
            entry.flags = flags
            if self.holds(entry):
                entry.modseq = self._change()
                for view in self.views:
                    view.changed(entry)
                self._shelf.bell.ring()
            return True

    def copy(self, entries: Iterable[Entry], to: Mailbox) -> list[Entry]:
        """Put copies of messages into another folder of the account, and return these; what is gone is left out."""
        with self._shelf.lock:
            return [to.add(entry.mail, entry.flags, entry.date) for entry in entries if self.holds(entry)]

    def move(self, entries: Iterable[Entry], to: Mailbox, source: SessionSource | None = None) -> list[Entry]:
        """Like `copy`, and take the messages out of here (RFC 6851)."""
        with self._shelf.lock:
            found = [entry for entry in entries if self.holds(entry)]
            copies = self.copy(found, to)
            self.remove(found, "MOVE", source)
            return copies

    def _change(self) -> int:
        self.modseq += 1
        return self.modseq

    def _take_out(self, entry: Entry) -> None:
        if self._entries.pop(entry.uid, None) is not None:
            self.octets -= entry.size
            entry.mail.copies -= 1
            self._change()
            for view in self.views:
                view.left(entry)

    def _drop(self, entry: Entry) -> None:
        self._shelf.dropped += 1
        self._take_out(entry)

    # For tests

    def stored(self, entry: Entry) -> StoredMessage:
        """Return a message as tests see it; its content is looked at only when they ask."""
        mail = entry.mail
        return StoredMessage(entry.uid, self.name, entry.flags, entry.date, mail.retrievals, mail)

    def folder(self) -> Folder:
        """Return what is here now, as tests see it."""
        with self._shelf.lock:
            entries, uidnext = list(self._entries.values()), self.uidnext
        return Folder(self.name, self.uidvalidity, uidnext, tuple(map(self.stored, entries)), self.special_use)
