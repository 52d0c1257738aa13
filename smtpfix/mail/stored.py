"""`StoredMessage`, `Folder` and `Gone`: what a test sees of an account, as values of the moment of the request."""

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
    """Its unique identifier, which increases within the folder (RFC 9051 section 2.3.1.1)."""
    folder: str
    """The name of the folder."""
    flags: frozenset[str]
    """Its flags and keywords: ``{"\\\\Seen", "$Forwarded"}``."""
    date: datetime
    """When it was received: IMAP's INTERNALDATE (RFC 9051 section 2.3.3). With APPEND, the client chooses it."""
    retrievals: int
    """How often it was sent to a client completely, in this folder or in one that it was copied from."""
    _mail: Mail = field(repr=False)

    @property
    def content(self) -> bytes:
        """Its octets, as clients read them. Every line ends with CRLF."""
        return self._mail.content

    @property
    def captured(self) -> CapturedMessage | None:
        """The message as it arrived over SMTP; None if a test put it here or a client appended it."""
        return self._mail.captured

    @property
    def message(self) -> CapturedMessage:
        """The message to read: `captured`, or else one built from `content`, whose headers provide the envelope."""
        return self._mail.read(self.date)

    @property
    def is_seen(self) -> bool:
        r"""Whether it has the flag ``\Seen``."""
        return SEEN in self.flags

    @property
    def is_deleted(self) -> bool:
        r"""Whether it has the flag ``\Deleted``."""
        return DELETED in self.flags

    @property
    def size(self) -> int:
        """Its length in octets, as IMAP and POP3 report it."""
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
    """Its name, with ``/`` between the names of a folder and of one inside it."""
    uidvalidity: int
    """The number that its UIDs are valid with: if it changes, earlier UIDs mean nothing (RFC 9051 section 2.3.1.1)."""
    uidnext: int
    """The lowest UID that the next message can get."""
    messages: tuple[StoredMessage, ...]
    """The messages that were in the folder."""
    special_use: str | None = None
    r"""The special use of the folder, such as ``\Sent`` (RFC 6154); None without one."""

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
    """A message that a client removed from a folder."""

    stored: StoredMessage
    """The message as it was last."""
    how: str
    """The command that removed it: ``EXPUNGE``, ``MOVE``, ``QUIT``, or another one that removes messages."""
    _source: SessionSource | None = field(repr=False, compare=False)

    @property
    def session(self) -> Session | None:
        """The session of the client that removed it, as it is now; None if no client did."""
        return None if self._source is None else self._source.session()

    def __str__(self) -> str:
        return f"gone by {self.how}: {self.stored}"
