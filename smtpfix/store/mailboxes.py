"""The mailbox that a message is put into, so that suites and teams can share a store."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from enum import StrEnum
from typing import Final

from .row import Entry, Row

LONGEST_NAME: Final = 200
"""Characters of a mailbox's name."""
_ESCAPE: Final = "~"
"""Stands before each octet that may not be in a name; in a URL it is as good as a letter (RFC 3986 section 2.3)."""
_NEVER: Final = frozenset("/\\" + _ESCAPE)
_DIGEST_LENGTH: Final = 32


class MailboxBy(StrEnum):
    """What names the mailbox of a message."""

    USER = "user"
    """The user that its client had authenticated as."""
    RECIPIENT = "recipient"
    """The envelope's first recipient, in small letters."""
    TAG = "tag"
    """What follows a plus sign in a recipient's address, as in ``ann+suite-1@example.org``; or its first tag."""
    SERVER = "server"
    """The server it came to, such as ``starttls``."""


def filed(entry: Entry, by: MailboxBy | None) -> Entry:
    """Return what is stored of a message, in its mailbox; None: all are in one, the one without a name."""
    return entry if by is None else replace(entry, row=replace(entry.row, mailbox=mailbox_name(_named(entry.row, by))))


def mailbox_name(text: str) -> str:
    """Return a text as the name of a mailbox, which stands in one piece of a path; no two texts have the same.

    What may not stand there is escaped: ``a/b`` is ``a~2Fb``. A text that is too long ends in its digest instead.
    """
    if text in (".", ".."):
        return _escaped(text)
    name = "".join(
        _escaped(one) if one in _NEVER or not one.isprintable() or (one == " " and at in (0, len(text) - 1)) else one
        for at, one in enumerate(text[: LONGEST_NAME + 1])
    )
    if len(name) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST_LENGTH]
    return f"{name[: LONGEST_NAME - _DIGEST_LENGTH - 2]}{_ESCAPE}{_ESCAPE}{digest}"


def _escaped(text: str) -> str:
    return "".join(f"{_ESCAPE}{octet:02X}" for octet in text.encode("utf-8", "surrogatepass"))


def _named(row: Row, by: MailboxBy) -> str:
    match by:
        case MailboxBy.USER:
            return row.username
        case MailboxBy.RECIPIENT:
            return row.recipients[0].lower() if row.recipients else ""
        case MailboxBy.SERVER:
            return row.server
        case MailboxBy.TAG:
            details = (one.rpartition("@")[0].partition("+")[2] for one in row.recipients)
            return next(filter(None, details), "") or next(iter(row.tags), "")
