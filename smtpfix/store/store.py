"""`Store`: what every store of messages does, whatever its database; and the values that it uses.

All methods may be called in any thread but that of an event loop: they wait for a disk or a network. All raise
`StoreError` where the database cannot do it, and what was written is then as before.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, StrEnum
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from smtpfix.errors import InvalidValueError

from .query import EVERYTHING, Query

if TYPE_CHECKING:
    from .row import Entry, Row

Json: TypeAlias = Any
"""What JSON can say."""

MOST_CHANGES: Final = 1000
"""Changes that `Store.changes` returns at once."""
MOST_NAMED: Final = 200
"""More messages than so many, changed or deleted at once, are one entry of the journal, `Kind.PRUNE`."""
JOURNAL_SECONDS: Final = 3600
"""How long the journal keeps what has changed."""


class _Unchanged(Enum):
    UNCHANGED = 0


UNCHANGED: Final = _Unchanged.UNCHANGED
"""Stands for no value where None is one."""


class Kind(StrEnum):
    """What a change is."""

    NEW = "new"
    """A message has come."""
    READ = "read"
    """A message was marked, as read or as unread: ``is_read``."""
    TAGS = "tags"
    """A message has other tags: ``tags``."""
    DELETE = "delete"
    """A message was deleted."""
    PRUNE = "prune"
    """Many messages are different or gone, or what changed is known no more: look again."""
    TRUNCATE = "truncate"
    """All messages were deleted, or all of ``mailbox``."""
    SESSION = "session"
    """A session was stored."""
    SETTING = "setting"
    """A setting has another value: ``key``."""
    AUDIT = "audit"
    """An audit of this process has gone on; the one kind that stands in no journal."""


@dataclass(frozen=True, slots=True)
class Change:
    """An entry of the journal."""

    n: int
    """Its number; a later one has a higher one, also when seen from another process."""
    kind: Kind
    seq: int | None = None
    """The message's, where it is about one."""
    data: Mapping[str, Json] = field(default_factory=dict)
    """``id``, of a message or a session, ``mailbox``, and what its kind says."""


@dataclass(frozen=True, slots=True)
class Count:
    """How many messages there are."""

    all: int
    unread: int


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the messages that match, newest first."""

    rows: tuple[Row, ...]
    start: int
    """How many newer ones match."""
    seq: int
    """The number of the last change it stands for, or an earlier one."""


@dataclass(frozen=True, slots=True)
class Which:
    """The messages meant: those with these ids, those that match, or all; of one mailbox, or of every."""

    ids: tuple[str, ...] | None = None
    """Ids that there are not mean nothing."""
    query: Query = EVERYTHING
    mailbox: str | None = None
    """None: of every."""

    def __post_init__(self) -> None:
        if self.ids is not None and self.query != EVERYTHING:
            raise InvalidValueError("Which.ids", self.ids, "either ids or a query")


@dataclass(frozen=True, slots=True)
class StoredSession:
    """A session that has ended."""

    id: str
    """As `row.session_id` makes it, so that it is that of its messages."""
    server: str
    began: datetime
    has_mail: bool
    has_failed: bool
    """Whether it ended in another way than by QUIT, or was refused something."""
    facts: Json
    dialogue: Json


class Closing(Protocol):
    """What can be closed."""

    def close(self) -> None:
        """End it; twice is fine."""


class Store(Protocol):
    """A database with messages."""

    @property
    def where(self) -> str:
        """Where it is, without passwords."""

    def append(self, entries: Sequence[Entry]) -> Sequence[int]:
        """Store messages, all or none, in one transaction; return their seq, which is higher for later ones."""

    def page(
        self,
        query: Query = EVERYTHING,
        *,
        mailbox: str | None = None,
        start: int = 0,
        limit: int = 50,
        before: datetime | None = None,
    ) -> Page:
        """Return those that match, and came earlier than `before`, newest first."""

    def count(self, query: Query = EVERYTHING, *, mailbox: str | None = None) -> Count:
        """Return how many match."""

    def get(self, id: str) -> Row | None:  # noqa: A002 - what it is
        """Return the message with this id."""

    def rows(self, numbers: Collection[int]) -> Mapping[int, Row]:
        """Return the messages with these seq that are there, by seq."""

    def content(self, seq: int) -> bytes:
        """Return a message's exact octets. Raises `LookupError` where there is none."""

    def mark(self, which: Which, *, read: bool) -> int:
        """Mark messages as read or unread; return how many were not so."""

    def tag(self, which: Which, tags: Sequence[str]) -> int:
        """Give messages these tags and no others; return how many messages these are. Raises `InvalidValueError`."""

    def rename_tag(self, old: str, new: str | None, *, mailbox: str | None = None) -> None:
        """Give a tag another name, or take it off, on all messages or on those of a mailbox.

        Raises `LookupError` where there is no such tag, and `InvalidValueError` for what is no name or is in use.
        """

    def tags(self, *, mailbox: str | None = None) -> Mapping[str, int]:
        """Return the tags in use, sorted, and how many messages have each."""

    def servers(self, *, mailbox: str | None = None) -> Mapping[str, int]:
        """Return the servers that messages came to, sorted, and how many came to each."""

    def mailboxes(self) -> Mapping[str, int]:
        """Return the mailboxes with messages in them, sorted, and how many each has."""

    def delete(self, which: Which) -> int:
        """Delete messages; return how many."""

    def prune(self, *, keep: int | None = None, before: datetime | None = None) -> int:
        """Delete all but the newest `keep`, and those that came earlier than `before`; return how many.

        Forgets old entries of the journal too. Does nothing while another process does it.
        """

    def put_sessions(self, sessions: Sequence[StoredSession]) -> None:
        """Store sessions that have ended, in one transaction."""

    def session(self, id: str) -> StoredSession | None:  # noqa: A002 - what it is
        """Return the session with this id."""

    def sessions(
        self, *, start: int = 0, limit: int = 50, without_mail: bool = False, failed: bool = False
    ) -> Sequence[StoredSession]:
        """Return sessions, newest first; their `dialogue` is None."""

    def setting(self, key: str, value: Json = UNCHANGED) -> Json:
        """Return a setting, None where there is none; given a value, set it before."""

    def replace_setting(self, key: str, old: Json, new: Json) -> bool:
        """Set a setting if it still is `old`, None where there is none; return whether it was.

        Whoever makes a new value out of the old one sets it so: then no change of another program is lost.
        """

    def last_change(self) -> int:
        """Return the number of the journal's last entry; 0 where it never had one."""

    def changes(self, after: int) -> Sequence[Change]:
        """Return what has changed after an entry, in the order in which it was committed, `MOST_CHANGES` at most.

        Where some of it is known no more, the first one is a `Kind.PRUNE`.
        """

    def listen(self, wake: Callable[[], None]) -> Closing:
        """Call `wake`, in some thread, soon after whoever it was has changed something, until closed.

        It is told at least once, and perhaps more often; it must neither raise nor take long.
        """

    def close(self) -> None:
        """Give everything back; twice is fine."""
