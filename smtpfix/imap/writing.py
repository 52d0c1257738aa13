"""How responses encode values (RFC 9051 section 9): strings, dates and parenthesized lists."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Final

MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_LONGEST_QUOTED: Final = 1000
"""Octets beyond which a string is a literal: clients read lines of limited length (RFC 7162 section 4)."""
_NOT_QUOTED: Final = re.compile(rb"[^\x01-\x09\x0b\x0c\x0e-\x7f]")
_ASTRING: Final = re.compile(rb'[^\x00-\x20\x7f-\xff(){%*"\\]++')


def literal(octets: bytes) -> bytes:
    """Write octets as a literal."""
    return b"{%d}\r\n%b" % (len(octets), octets)


def string(value: bytes | None) -> bytes:
    """Write a quoted string, a literal where it cannot be one, or NIL."""
    if value is None:
        return b"NIL"
    if len(value) > _LONGEST_QUOTED or _NOT_QUOTED.search(value):
        return literal(value)
    return b'"%b"' % value.replace(b"\\", b"\\\\").replace(b'"', b'\\"')


def utf8_string(value: bytes) -> bytes:
    """Write a string for a client that takes UTF-8 in quoted ones (section 4.3)."""
    if b"\r" in value or b"\n" in value or b"\0" in value:
        return literal(value)
    return b'"%b"' % value.replace(b"\\", b"\\\\").replace(b'"', b'\\"')


def astring(value: bytes) -> bytes:
    """Write an atom where a value can be one, or a string."""
    return value if _ASTRING.fullmatch(value) and value.upper() != b"NIL" else string(value)


def in_parentheses(values: Iterable[bytes]) -> bytes:
    """Write a list."""
    return b"(%b)" % b" ".join(values)


def internal_date(date: datetime) -> bytes:
    """Write a message's date and time of arrival (section 2.3.3)."""
    zone = date.strftime("%z")[:5] or "+0000"
    return f'"{date.day:2}-{MONTHS[date.month - 1]}-{date.year:04} {date:%H:%M:%S} {zone}"'.encode("ascii")
