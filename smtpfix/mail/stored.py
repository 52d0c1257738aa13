"""What a test sees of an account: `StoredMessage`, `Folder` and `Gone`, values of the moment they were asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import overload

from smtpfix.record.session import Session
from smtpfix.safe_text import printable

from .message import CapturedMessage, SessionSource
from .shelf import Mail

SEEN = "\\Seen"
DELETED = "\\Deleted"
SYSTEM_FLAGS = ("\\Answered", "\\Flagged", DELETED, SEEN, "\\Draft")
"""The flags that every IMAP server knows (RFC 9051 section 2.3.2), as they are written."""


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """One message in one folder."""

    uid: int
    """Its unique identifier, ascending in the folder (RFC 9051 section 2.3.1.1)."""
    folder: str
    """The name of the folder."""
    flags: frozenset[str]
    """Its flags and keywords: ``{"\\\\Seen", "$Forwarded"}``."""
    date: datetime
    """When it was received, as IMAP's INTERNALDATE says; that of an APPEND is the client's to choose."""
    retrievals: int
    """How often it was written out whole, in this folder or in one that it was copied from."""
    _mail: Mail = field(repr=False)

    @property
    def content(self) -> bytes:
        """Its octets, as clients read them: every line ends with CRLF."""
        return self._mail.content

    @property
    def captured(self) -> CapturedMessage | None:
        """The message as it came over SMTP; None for one that was put here, or that a client appended."""
        return self._mail.captured

    @property
    def message(self) -> CapturedMessage:
        """What it says: `captured`, or the same read from the content, whose envelope is what its headers say."""
        return self._mail.read(self.date)

    @property
    def is_seen(self) -> bool:
        """Whether it is marked as read."""
        return SEEN in self.flags

    @property
    def is_deleted(self) -> bool:
        """Whether it is marked to be deleted."""
        return DELETED in self.flags

    @property
    def size(self) -> int:
        """Its length in octets, as IMAP and POP3 tell it."""
        return len(self.content)

    @property
    def subject(self) -> str:
        """Its Subject header, decoded; ``""`` without one."""
        return self.message.subject

    def __str__(self) -> str:
        marks = "".join(f" {flag}" for flag in sorted(map(printable, self.flags)))
        return f"{printable(self.folder)} {self.uid}{marks}, retrievals {self.retrievals}: {self.message}"


@dataclass(frozen=True, slots=True)
class Folder(Sequence[StoredMessage]):
    """One folder with its messages, oldest first."""

    name: str
    """Its name; folders in folders have a ``/`` in theirs."""
    uidvalidity: int
    """What its UIDs belong to: with another number, those known before mean nothing (RFC 9051 section 2.3.1.1)."""
    uidnext: int
    """The UID that the next message gets, at the least."""
    messages: tuple[StoredMessage, ...]
    """The messages that were here."""
    special_use: str | None = None
    """What it is for, such as ``\\\\Sent`` (RFC 6154)."""

    @overload
    def __getitem__(self, index: int) -> StoredMessage: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[StoredMessage, ...]: ...
    def __getitem__(self, index: int | slice) -> StoredMessage | tuple[StoredMessage, ...]:
        return self.messages[index]

    def __len__(self) -> int:
        return len(self.messages)

    def __iter__(self) -> Iterator[StoredMessage]:
        return iter(self.messages)


@dataclass(frozen=True, slots=True)
class Gone:
    """A message that a reader took out of a folder."""

    stored: StoredMessage
    """The message, as it was last."""
    how: str
    """The command that took it away: ``EXPUNGE``, ``MOVE``, ``QUIT``, or another one that removes messages."""
    _source: SessionSource | None = field(repr=False, compare=False)

    @property
    def session(self) -> Session | None:
        """The session of the client that did it, as it stands now; None where no client did."""
        return None if self._source is None else self._source.session()

    def __str__(self) -> str:
        return f"gone by {self.how}: {self.stored}"
