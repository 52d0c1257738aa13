"""`Text`: the decoded text of a stored message, for SEARCH and SORT, cached with the message on first use."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from email.utils import parsedate_tz
from functools import cached_property
from typing import Any, Final, TypeVar

from smtpfix.mail.header_values import addresses as bare_addresses
from smtpfix.mail.header_values import decoded, sound, words
from smtpfix.mail.mailbox import Entry
from smtpfix.mail.mime import Part, header_section, split

from .fields import addresses, raw_fields
from .structure import header, without_encoding

T = TypeVar("T")

_LONGEST_DATE: Final = 100
"""Octets of a Date field; the standard library reads it, and takes longer the longer it is."""
_LONGEST_PLAIN: Final = 2_000_000
"""Octets up to which the text of a body is kept for the next question."""
_SPACE: Final = re.compile(r"\s+")


def root_of(entry: Entry) -> Part:
    """Return a message taken apart into its parts."""
    cache = entry.mail.cache
    if "part" not in cache:
        cache["part"] = split(entry.content)[0]
    root: Part = cache["part"]
    return root


def _kept(read: Callable[[Text], T]) -> Callable[[Text], T]:
    """Have something read off a message once."""
    name = f"text of {read.__name__}"

    def known(self: Text) -> T:
        if name not in self.kept:
            self.kept[name] = read(self)
        found: T = self.kept[name]
        return found

    return known


class Text:
    """One message's, in small letters.

    What was read is kept, all of it as text or octets: Python's garbage collector does not go through these, however
    many messages a search has read.
    """

    def __init__(self, content: bytes, kept: dict[Any, Any]) -> None:
        self._content = content
        self.kept = kept

    @classmethod
    def of(cls, entry: Entry) -> Text:
        """Return the text of a message."""
        return cls(entry.content, entry.mail.cache if entry.size <= _LONGEST_PLAIN else {})

    @property
    @_kept
    def _fields(self) -> bytes:
        """The header fields, an LF before each: its name in small letters, a colon, and the value as it stands."""
        section = header_section(self._content)
        return b"".join([b"\n%b:%b" % (name, value) for name, value, _ in raw_fields(section)])

    @cached_property
    def _root(self) -> Part:
        return self.kept["part"] if "part" in self.kept else split(self._content)[0]

    @property
    @_kept
    def headers(self) -> str:
        """All header fields of the message and of its parts, decoded."""
        found = []
        for part in self._root.walk():
            found += [f"{_text(name)}: {_plain(value)}" for name, value, _ in raw_fields(header(part))]
        return "\n".join(found).lower()

    @property
    @_kept
    def body(self) -> str:
        """The text of all parts that are text."""
        return "\n".join(_own_text(part) for part in self._root.walk()).lower()

    def has(self, wanted: str) -> bool:
        """Return whether a text is in the headers or the body."""
        return wanted in self.headers or wanted in self.body

    def values(self, name: bytes) -> Iterator[bytes]:
        """Yield the values of the fields of this name, which is in small letters, as they stand."""
        if b":" in name or b"\n" in name:
            return
        fields, begins = self._fields, b"\n%b:" % name
        at = fields.find(begins)
        while at >= 0:
            begin = at + len(begins)
            end = fields.find(b"\n", begin)
            yield fields[begin : end if end >= 0 else None]
            at = fields.find(begins, begin)

    def first(self, name: bytes) -> bytes | None:
        """Return the first value of a field as it stands; None without one."""
        return next(self.values(name), None)

    def field_has(self, name: bytes, wanted: str) -> bool:
        """Return whether a field of this name has a text in it; without a text, whether there is one."""
        return any(wanted in _plain(value).lower() for value in self.values(name))

    def address_has(self, name: bytes, wanted: str) -> bool:
        """Return whether a field has a text in it, or in an address as it is meant."""
        return self.field_has(name, wanted) or any(
            wanted in address.lower() for value in self.values(name) for address in bare_addresses(_text(value))
        )

    def display_name(self, name: bytes) -> str:
        """Return how the first address of a field is shown (RFC 5957)."""
        found = addresses(self.first(name) or b"")[:1]
        if not found:
            return ""
        one = found[0]
        return _plain(one.name) if one.name else _text(one.mailbox or b"") + (f"@{_text(one.host)}" if one.host else "")

    def mailbox(self, name: bytes) -> str:
        """Return the local part of the first address of a field (RFC 5256 section 3)."""
        found = addresses(self.first(name) or b"")[:1]
        return _text(found[0].mailbox or b"") if found else ""

    @property
    @_kept
    def subject(self) -> str:
        """The subject, decoded, with one blank for all white space."""
        return _SPACE.sub(" ", _plain(self.first(b"subject") or b"")).strip()

    @property
    @_kept
    def sent(self) -> datetime | None:
        """The Date field, with its time zone; None where it is missing or cannot be read."""
        value = _text(self.first(b"date") or b"")
        found = parsedate_tz(value) if 0 < len(value) <= _LONGEST_DATE else None
        if found is None:
            return None
        try:
            zone = timezone(timedelta(seconds=found[9])) if found[9] else UTC
            return datetime(*found[:6], tzinfo=zone)
        except (ValueError, OverflowError):
            return None


def sent_on(entry: Entry) -> date | None:
    """Return the day that a message's Date field names, whatever its time zone (section 6.4.4)."""
    sent = Text.of(entry).sent
    return None if sent is None else sent.date()


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "surrogateescape")


def _plain(value: bytes) -> str:
    return sound(words(_text(value)))


def _own_text(part: Part) -> str:
    """Return the text of a part that holds no others."""
    if part.parts:
        message = part.media_type.startswith("message/")
        return "\n".join(_plain(value) for _, value, _ in raw_fields(header(part.parts[0]))) if message else ""
    if not part.media_type.startswith(("text/", "message/", "multipart/")):
        return ""
    octets = without_encoding(part)
    return decoded(part.octets if octets is None else octets, part.parameters.get("charset", "utf-8"))
