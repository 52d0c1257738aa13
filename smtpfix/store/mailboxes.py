"""The mailbox that a message is put into, so that suites and teams can share a store."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import Final

from .row import Entry, Row

LONGEST_NAME: Final = 200
"""Characters of a mailbox's name."""


class MailboxBy(StrEnum):
    """What names the mailbox of a message."""

    USER = "user"
    """The user that its client had authenticated as."""
    RECIPIENT = "recipient"
    """The envelope's first recipient, in small letters."""
    TAG = "tag"
    """What stands behind a plus sign in a recipient's address, as in ``ann+suite-1@example.org``; or its first tag."""
    SERVER = "server"
    """The server it came to, such as ``starttls``."""


def filed(entry: Entry, by: MailboxBy | None) -> Entry:
    """Return what is stored of a message, in its mailbox; None: all are in one, the one without a name."""
    return entry if by is None else replace(entry, row=replace(entry.row, mailbox=mailbox_name(_named(entry.row, by))))


def mailbox_name(text: str) -> str:
    """Return a text as the name of a mailbox, which stands in one piece of a path; ``""`` where nothing may."""
    name = "".join(one if one.isprintable() and one not in "/\\" else "_" for one in text[:LONGEST_NAME]).strip()
    return "" if name in (".", "..") else name


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
