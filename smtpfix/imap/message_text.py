"""`Text`: the decoded text of a stored message, for SEARCH and SORT, cached with the message on first use."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone
from email.utils import parsedate_tz
from functools import cached_property
from typing import Final

from smtpfix.mail.header_values import addresses as bare_addresses
from smtpfix.mail.header_values import decoded, sound, words
from smtpfix.mail.mailbox import Entry
from smtpfix.mail.mime import Part, split

from .fields import addresses, raw_fields
from .structure import header, without_encoding

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


class Text:
    """One message's, in small letters."""

    def __init__(self, root: Part) -> None:
        self._root = root

    @classmethod
    def of(cls, entry: Entry) -> Text:
        """Return the text of a message."""
        cache = entry.mail.cache
        if (found := cache.get("text")) is None:
            found = cls(root_of(entry))
            if entry.size <= _LONGEST_PLAIN:
                cache["text"] = found
        text: Text = found
        return text

    @cached_property
    def fields(self) -> list[tuple[bytes, bytes]]:
        """The header fields, by name in small letters; the value as it stands."""
        return [(name, value) for name, value, _ in raw_fields(header(self._root))]

    @cached_property
    def headers(self) -> str:
        """All header fields of the message and of its parts, decoded."""
        found = []
        for part in self._root.walk():
            found += [f"{_text(name)}: {_plain(value)}" for name, value, _ in raw_fields(header(part))]
        return "\n".join(found).lower()

    @cached_property
    def body(self) -> str:
        """The text of all parts that are text."""
        return "\n".join(_own_text(part) for part in self._root.walk()).lower()

    def first(self, name: bytes) -> bytes | None:
        """Return the first value of a field as it stands; None without one."""
        return next((value for known, value in self.fields if known == name), None)

    def field_has(self, name: bytes, wanted: str) -> bool:
        """Return whether a field of this name has a text in it; without a text, whether there is one."""
        return any(known == name and wanted in _plain(value).lower() for known, value in self.fields)

    def address_has(self, name: bytes, wanted: str) -> bool:
        """Return whether a field has a text in it, or in an address as it is meant."""
        return self.field_has(name, wanted) or any(
            wanted in address.lower()
            for known, value in self.fields
            if known == name
            for address in bare_addresses(_text(value))
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

    @cached_property
    def subject(self) -> str:
        """The subject, decoded, with one blank for all white space."""
        return _SPACE.sub(" ", _plain(self.first(b"subject") or b"")).strip()

    @cached_property
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
