"""`Row`: what a store keeps of a message; `Entry`: a row with the message's octets and search terms.

Read from the octets in one pass each and within bounds; whatever they are, something can be stored.
"""

from __future__ import annotations

import itertools
import secrets
import string
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from smtpfix.mail.header_values import mailboxes, shown_name, sound, unfolded, words
from smtpfix.mail.message import CapturedMessage
from smtpfix.mail.mime import split

from .html_text import html_text
from .parts import Listed, Role, listed
from .tags import brought_tags

LONGEST_TEXT: Final = 65_536
"""Characters of the body that are searched; as many are looked at of a list of addresses."""
LONGEST_LINE: Final = 2_000
"""Characters of a subject, a name or another single value that are kept."""
MOST_ADDRESSES: Final = 1_000
"""Addresses that are kept of one list; the message itself has them all."""
SNIPPET: Final = 200
"""Octets of a snippet."""

_ID_DIGITS: Final = ((string.digits + string.ascii_letters) * 5)[:256].encode()
"""What each octet becomes."""
_ID_LENGTH: Final = 22
"""As good as 128 random bits."""
_BLANKS: Final = str.maketrans(dict.fromkeys('<>",;()\ufeff', " "))
"""What neither a text nor a search is compared by."""


@dataclass(frozen=True, slots=True)
class Address:
    """A mailbox named in a header."""

    name: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A message as lists show it."""

    id: str
    """22 letters and digits, unique wherever messages are stored."""
    received: datetime
    """When its final dot came, UTC, to the microsecond."""
    server: str
    """The name of the server it came to, such as ``starttls``."""
    session: str
    """The session it came in, as `session_id` makes it; ``""``: it came in none."""
    mailbox: str = ""
    """The mailbox it is in; all messages are in one unless somebody parts them."""
    reverse_path: str
    recipients: tuple[str, ...]
    """The envelope's; what is no UTF-8 in them is replaced."""
    in_tls: bool
    username: str
    """The user the client had authenticated as; ``""`` without AUTH."""
    accepted: bool
    """Whether the client was told that it was accepted."""
    reply: str
    """What it was told at the final dot; ``""``: nothing."""
    subject: str
    message_id: str
    """Without angle brackets."""
    sender: Address
    """From; where that names no address, its text is the name, and the address is ``""``."""
    to: tuple[Address, ...]
    cc: tuple[Address, ...]
    bcc: tuple[Address, ...]
    """Also the recipients of the envelope whom no header names."""
    reply_to: tuple[Address, ...]
    snippet: str
    """The beginning of what it says."""
    size: int
    attachments: int
    inlines: int
    tags: tuple[str, ...] = ()
    """Sorted."""
    is_read: bool = False
    seq: int = 0
    """Its number in the store, higher for those stored later; 0 before."""


@dataclass(frozen=True, slots=True)
class Words:
    """What a message is found by, in small letters: of each place, the text that is looked through."""

    sender: str
    to: str
    cc: str
    bcc: str
    reply_to: str
    subject: str
    message_id: str
    anywhere: str
    """All of that, and what it says; after the others, so that looking through them does not read this too."""

    @property
    def values(self) -> tuple[str, ...]:
        """All of them, in this order."""
        return (
            *(self.sender, self.to, self.cc, self.bcc, self.reply_to),
            *(self.subject, self.message_id, self.anywhere),
        )


@dataclass(frozen=True, slots=True)
class Entry:
    """A message to be stored."""

    row: Row
    words: Words = field(repr=False)
    content: bytes = field(repr=False)


def new_id() -> str:
    """Return random letters and digits."""
    return secrets.token_bytes(_ID_LENGTH).translate(_ID_DIGITS).decode()


def session_id(run: str, server: str, number: int) -> str:
    """Return a session's id: a process numbers its sessions from 1 on, so its own id, `run`, stands before that."""
    return f"{run}-{server}-{number}"


def searchable(text: str) -> str:
    """Return a text as it is compared: small letters, single blanks, and none of ``< > " , ; ( )``."""
    return " ".join(storable(text).translate(_BLANKS).split()).lower()


def storable(text: str) -> str:
    """Return a text that every database takes: without NUL, and with nothing in it that is no character."""
    if "\0" in text:
        text = text.replace("\0", " ")
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def entry_of(message: CapturedMessage, *, server: str, run: str, mailbox: str = "", name: str = "") -> Entry:
    """Return what is stored of a message, under an id that it was given, or a new one."""
    headers = _Headers(message)
    recipients = tuple(storable(sound(address)) for address in message.to)
    named = {name: headers.addresses(name) for name in ("from", "to", "cc", "bcc", "reply-to")}
    known = {one.address.lower() for name in ("to", "cc", "bcc") for one in named[name]}
    unnamed = dict.fromkeys(address for address in recipients if address.lower() not in known)
    bcc = (*named["bcc"], *(Address("", address) for address in itertools.islice(unnamed, MOST_ADDRESSES)))
    sender = next(iter(named["from"]), Address(headers.line("from"), ""))
    parts = tuple(listed(split(message.content)[0]))
    body = _body(parts)
    row = Row(
        id=name or new_id(),
        received=message.received.astimezone(UTC),
        server=server,
        session=session_id(run, server, message.session_number) if message.session_number else "",
        mailbox=mailbox,
        reverse_path=storable(sound(message.reverse_path)),
        recipients=recipients,
        in_tls=message.in_tls,
        username=storable(sound(message.user or "")),
        accepted=message.accepted,
        reply=storable(str(message.reply)) if message.reply is not None else "",
        subject=headers.line("subject"),
        message_id=headers.line("message-id").removeprefix("<").removesuffix(">"),
        sender=sender,
        to=named["to"],
        cc=named["cc"],
        bcc=bcc,
        reply_to=named["reply-to"],
        snippet=_snippet(body),
        size=len(message.content),
        attachments=sum(part.role is Role.ATTACHMENT for part in parts),
        inlines=sum(part.role is Role.INLINE for part in parts),
        tags=brought_tags(headers.line("x-tags"), (one.address for one in (*named["to"], *named["cc"], *bcc, sender))),
    )
    return Entry(row, _words(row, body, parts), message.content)


class _Headers:
    """A header section; of each name, the first field."""

    def __init__(self, message: CapturedMessage) -> None:
        self._values: dict[str, str] = {}
        for name, value in message.headers.raw_items():  # parsed once for all who read them
            self._values.setdefault(name.lower(), str(value))

    def line(self, name: str) -> str:
        """Return a value in one line, decoded; ``""`` without one."""
        text = words(unfolded(self._values.get(name, "")[: 4 * LONGEST_LINE]))
        return " ".join(storable(text).split())[:LONGEST_LINE]

    def addresses(self, name: str) -> tuple[Address, ...]:
        """Return the mailboxes in a value."""
        value = self._values.get(name)
        if not value:
            return ()
        found = mailboxes(value[:LONGEST_TEXT])
        return tuple(
            Address(storable(shown_name(shown[:LONGEST_LINE])), storable(address[:LONGEST_LINE]))
            for shown, address in itertools.islice(found, MOST_ADDRESSES)
        )


def _body(parts: Iterable[Listed]) -> str:
    """Return the beginning of what a message says: of its HTML, or else of its texts."""
    parts = tuple(parts)
    said = " ".join(html_text(html) for html in _texts(parts, Role.HTML))
    if not said.strip():
        said = " ".join(_texts(parts, Role.TEXT))
    return storable(said)[:LONGEST_TEXT]


def _texts(parts: Iterable[Listed], role: Role) -> Iterator[str]:
    left = LONGEST_TEXT
    for part in parts:
        if part.role is role and left > 0:
            text = part.text(left)
            left -= len(text) + 1
            yield text


def _snippet(said: str) -> str:
    """Return the beginning of what a message says, in one line."""
    text = " ".join(said.split(None, SNIPPET))  # so many words are more than enough
    octets = text[:SNIPPET].encode()
    if len(octets) <= SNIPPET and len(text) <= SNIPPET:
        return text
    return octets[:SNIPPET].decode("utf-8", "ignore") + "..."


def _words(row: Row, body: str, parts: Iterable[Listed]) -> Words:
    lists = {
        name: _listed_words(addresses)
        for name, addresses in (
            ("sender", (row.sender,)),
            ("to", row.to),
            ("cc", row.cc),
            ("bcc", row.bcc),
            ("reply_to", row.reply_to),
        )
    }
    subject = searchable(row.subject)
    names = (part.name for part in parts if part.role in (Role.ATTACHMENT, Role.INLINE))
    others = " ".join(searchable(text) for text in (row.reverse_path, body, *itertools.islice(names, MOST_ADDRESSES)))
    anywhere = " ".join((lists["sender"], subject, lists["to"], lists["cc"], lists["bcc"], lists["reply_to"], others))
    return Words(anywhere=anywhere, subject=subject, message_id=searchable(row.message_id), **lists)


def _listed_words(addresses: Iterable[Address]) -> str:
    return searchable(" ".join(f"{one.name} {one.address}" for one in addresses))
