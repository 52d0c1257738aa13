"""One mailbox alone, below ``/m/NAME/``: handlers get its own desk, store and hub.

So no handler has to know of mailboxes, and none can forget them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from smtpfix.store.query import EVERYTHING, InSession, Query
from smtpfix.store.row import Entry, Row
from smtpfix.store.store import UNCHANGED, Change, Closing, Count, Json, Kind, Page, Store, StoredSession, Which

from .desk import Desk
from .events import Event, Hub, Listener

_MOST_SESSIONS: Final = 1_000
"""Messages of a mailbox whose sessions are listed."""


def in_mailbox(desk: Desk, name: str, *, read_only: bool = False) -> Desk:
    """Return a desk on which this mailbox lies, and nothing of any other; `read_only` leaves servers as they are."""
    return _MailboxDesk(desk, name, read_only=read_only)


class _MailboxDesk(Desk):
    """A desk for one mailbox; everything but the mail is the same, and changes there."""

    def __init__(self, desk: Desk, name: str, *, read_only: bool) -> None:
        settings = desk.settings
        root = f"{desk.settings.webroot}m/{quote(name, safe='')}/"
        own = {
            "store": MailboxStore(desk.store, name),
            "hub": _MailboxHub(desk.hub, desk.store, name, hears_audits=not read_only),
            "settings": replace(settings, webroot=root, read_only=settings.read_only or read_only),
            "mailbox": name,
        }
        self.__dict__.update(own, _desk=desk, _own=frozenset(own))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_desk"], name)

    def __setattr__(self, name: str, value: object) -> None:
        if name in self.__dict__["_own"]:
            raise AttributeError(name)
        setattr(self.__dict__["_desk"], name, value)


class _MailboxHub:
    def __init__(self, hub: Hub, store: Store, name: str, *, hears_audits: bool) -> None:
        self._hub = hub
        self._unheard = {Kind.SESSION} if hears_audits else {Kind.SESSION, Kind.AUDIT}
        self._concerns = MailboxStore(store, name).concerns

    @asynccontextmanager
    async def listen(self, since: int | None = None) -> AsyncIterator[Listener]:
        """Tell somebody of what happens in the mailbox."""
        async with self._hub.listen(since, self._concerns_event) as listener:
            yield listener

    def _concerns_event(self, event: Event) -> bool:
        return event.change.kind not in self._unheard and self._concerns(event.change)


class MailboxStore(Store):
    """A store of which one mailbox is all there is. A session is here where it brought mail here, and to none else."""

    def __init__(self, store: Store, name: str) -> None:
        self._store = store
        self._name = name

    @property
    def where(self) -> str:
        """Where the store is."""
        return self._store.where

    def append(self, entries: Sequence[Entry]) -> Sequence[int]:
        """Store messages in the mailbox."""
        return self._store.append([replace(one, row=replace(one.row, mailbox=self._name)) for one in entries])

    def page(
        self,
        query: Query = EVERYTHING,
        *,
        mailbox: str | None = None,
        start: int = 0,
        limit: int = 50,
        before: datetime | None = None,
    ) -> Page:
        """Return those that match."""
        return self._store.page(query, mailbox=self._here(mailbox), start=start, limit=limit, before=before)

    def count(self, query: Query = EVERYTHING, *, mailbox: str | None = None) -> Count:
        """Return how many match."""
        return self._store.count(query, mailbox=self._here(mailbox))

    def get(self, id: str) -> Row | None:  # noqa: A002 - as the protocol has it
        """Return the message with this id, if it is here."""
        row = self._store.get(id)
        return row if row is not None and row.mailbox == self._name else None

    def rows(self, numbers: Collection[int]) -> Mapping[int, Row]:
        """Return those of these messages that are here."""
        return {seq: row for seq, row in self._store.rows(numbers).items() if row.mailbox == self._name}

    def content(self, seq: int) -> bytes:
        """Return the octets of a message, which somebody has got from here."""
        return self._store.content(seq)

    def mark(self, which: Which, *, read: bool) -> int:
        """Mark messages."""
        return self._store.mark(self._which(which), read=read)

    def tag(self, which: Which, tags: Sequence[str]) -> int:
        """Give messages these tags."""
        return self._store.tag(self._which(which), tags)

    def rename_tag(self, old: str, new: str | None, *, mailbox: str | None = None) -> None:
        """Give a tag another name on the messages here. Raises `LookupError` and `InvalidValueError`."""
        self._store.rename_tag(old, new, mailbox=self._here(mailbox))

    def tags(self, *, mailbox: str | None = None) -> Mapping[str, int]:
        """Return the tags in use."""
        return self._store.tags(mailbox=self._here(mailbox))

    def servers(self, *, mailbox: str | None = None) -> Mapping[str, int]:
        """Return the servers that messages came to."""
        return self._store.servers(mailbox=self._here(mailbox))

    def mailboxes(self) -> Mapping[str, int]:
        """Return this mailbox alone."""
        return {self._name: self.count().all}

    def delete(self, which: Which) -> int:
        """Delete messages."""
        return self._store.delete(self._which(which))

    def prune(self, *, keep: int | None = None, before: datetime | None = None) -> int:
        """Prune the whole store: nobody asks for it here."""
        raise NotImplementedError

    def put_sessions(self, sessions: Sequence[StoredSession]) -> None:
        """Store sessions."""
        self._store.put_sessions(sessions)

    def session(self, id: str) -> StoredSession | None:  # noqa: A002 - as the protocol has it
        """Return a session that brought mail here, and to no other mailbox."""
        there = InSession(id)
        here = self._store.count(there, mailbox=self._name).all
        return self._store.session(id) if here and here == self._store.count(there).all else None

    def sessions(
        self, *, start: int = 0, limit: int = 50, without_mail: bool = False, failed: bool = False
    ) -> Sequence[StoredSession]:
        """Return the sessions that brought the newest messages here; one without mail is nobody's."""
        if without_mail:
            return ()
        rows = self.page(limit=_MOST_SESSIONS).rows
        found: list[StoredSession] = []
        for one in dict.fromkeys(row.session for row in rows if row.session):
            if len(found) >= start + limit:
                break
            session = self.session(one)
            if session is not None and (session.has_failed or not failed):
                found.append(replace(session, dialogue=None))
        return found[start:]

    def setting(self, key: str, value: Json = UNCHANGED) -> Json:
        """Return a setting, which is everybody's."""
        return self._store.setting(key, value)

    def replace_setting(self, key: str, old: Json, new: Json) -> bool:
        """Set a setting, which is everybody's, if it still is `old`; return whether it was."""
        return self._store.replace_setting(key, old, new)

    def last_change(self) -> int:
        """Return the number of the journal's last entry."""
        return self._store.last_change()

    def changes(self, after: int) -> Sequence[Change]:
        """Return what has changed here."""
        while changes := self._store.changes(after):
            if found := [change for change in changes if self.concerns(change)]:
                return found
            after = changes[-1].n
        return ()

    def concerns(self, change: Change) -> bool:
        """Return whether a change is one of this mailbox, or of everything."""
        return change.data.get("mailbox", self._name) in (self._name, None)

    def listen(self, wake: Callable[[], None]) -> Closing:
        """Call `wake` for each change, wherever."""
        return self._store.listen(wake)

    def close(self) -> None:
        """Leave the store open: it is not this one's."""

    def _here(self, mailbox: str | None) -> str:
        """Return this mailbox's name; for another one, what no mailbox is called."""
        return self._name if mailbox in (None, self._name) else "/"

    def _which(self, which: Which) -> Which:
        return replace(which, mailbox=self._here(which.mailbox))
