"""`Criterion`: the criteria of SEARCH, read from the command and tested on each message (RFC 9051 section 6.4.4).

Keys of RFC 7162 (MODSEQ) and RFC 5032 (OLDER, YOUNGER) are among them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final, TypeAlias

from smtpfix.mail.mailbox import Entry

from .cursor import Cursor, Malformed
from .message_text import Text, sent_on
from .refusals import Refused
from .sets import SequenceSet
from .writing import MONTHS

Criterion: TypeAlias = Callable[[int, Entry], bool]
"""Asked of a sequence number and its message."""

_MOST_KEYS: Final = 250
"""Search keys of one command; more would hold others up for each message (RFC 9051 section 7.1, LIMIT)."""
_DEEPEST: Final = 50
"""Keys inside others."""
_FLAGS: Final = {f"\\{name}".upper()[1:]: f"\\{name}" for name in ("Answered", "Deleted", "Draft", "Flagged", "Seen")}
_ADDRESS_FIELDS: Final = ("FROM", "TO", "CC", "BCC")
_DATES: Final = ("BEFORE", "ON", "SINCE", "SENTBEFORE", "SENTON", "SENTSINCE")
_CHARSETS: Final = frozenset((b"US-ASCII", b"UTF-8", b"ASCII", b"UTF8"))
_DATE: Final = re.compile(rb"([0-9]{1,2})-([A-Za-z]{3})-([0-9]{4})")
_MONTH_NUMBERS: Final = {month.upper().encode(): number for number, month in enumerate(MONTHS, 1)}


@dataclass
class Scope:
    """What the keys of one command are asked about."""

    count: int
    """How many messages there are."""
    highest_uid: int
    saved: Collection[int]
    """UIDs that the last search saved."""
    is_recent: Callable[[Entry], bool]
    asks_modseq: bool = False
    """Whether a key has asked for mod-sequences, which the answer has then too (RFC 7162 section 3.1.5)."""


def read_charset(cursor: Cursor) -> None:
    """Read a charset's name; all that there are, are read as UTF-8."""
    if cursor.astring().upper() not in _CHARSETS:
        raise Refused("there are US-ASCII and UTF-8", "BADCHARSET (US-ASCII UTF-8)")


def read_criterion(cursor: Cursor, scope: Scope) -> Criterion:
    """Read search keys up to the end of the command. Raises `Malformed`."""
    found = _Keys(cursor, scope).all_of(0)
    cursor.end()
    return found


class _Keys:
    """Reads the keys of one command."""

    def __init__(self, cursor: Cursor, scope: Scope) -> None:
        self._cursor = cursor
        self._scope = scope
        self._count = 0

    def all_of(self, depth: int) -> Criterion:
        keys = [self._key(depth)]
        while not self._cursor.is_at_end and not self._cursor.stands(b")"):
            self._cursor.space()
            keys.append(self._key(depth))
        return keys[0] if len(keys) == 1 else lambda number, entry: all(key(number, entry) for key in keys)

    def _key(self, depth: int) -> Criterion:
        self._count += 1
        if self._count > _MOST_KEYS or depth > _DEEPEST:
            raise Refused(f"{_MOST_KEYS} search keys are the most, and {_DEEPEST} inside each other", "LIMIT")
        cursor = self._cursor
        if cursor.take(b"("):
            inner = self.all_of(depth + 1)
            cursor.need(b")")
            return inner
        if cursor.is_number() or cursor.stands(b"*") or cursor.stands(b"$"):
            return self._in_set(cursor.sequence_set())
        name = cursor.word()
        if name == "NOT":
            inner = self._next(depth)
            return lambda number, entry: not inner(number, entry)
        if name == "OR":
            one, other = self._next(depth), self._next(depth)
            return lambda number, entry: one(number, entry) or other(number, entry)
        return self._by_flag(name) or self._by_text(name) or self._by_fact(name)

    def _next(self, depth: int) -> Criterion:
        self._cursor.space()
        return self._key(depth + 1)

    def _in_set(self, wanted: SequenceSet) -> Criterion:
        if wanted.is_saved:
            return self._in_saved()
        ranges = wanted.ranges(self._scope.count)
        return lambda number, _: number in ranges

    def _in_saved(self) -> Criterion:
        saved = self._scope.saved
        return lambda _, entry: entry.uid in saved

    def _by_flag(self, name: str) -> Criterion | None:
        is_recent = self._scope.is_recent
        simple: dict[str, Criterion] = {
            "ALL": lambda *_: True,
            "NEW": lambda _, entry: is_recent(entry) and not entry.is_seen,
            "OLD": lambda _, entry: not is_recent(entry),
            "RECENT": lambda _, entry: is_recent(entry),
        }
        if name in simple:
            return simple[name]
        if name in _FLAGS:
            flag = _FLAGS[name]
            return lambda _, entry: flag in entry.flags
        if name.startswith("UN") and name[2:] in _FLAGS:
            flag = _FLAGS[name[2:]]
            return lambda _, entry: flag not in entry.flags
        if name not in ("KEYWORD", "UNKEYWORD"):
            return None
        self._cursor.space()
        keyword, wanted = self._cursor.flag().lower(), name == "KEYWORD"
        return lambda _, entry: (keyword in map(str.lower, entry.flags)) is wanted

    def _by_text(self, name: str) -> Criterion | None:
        if name == "HEADER":
            self._cursor.space()
            field, wanted = self._cursor.astring().lower(), self._text()
            return lambda _, entry: Text.of(entry).field_has(field, wanted)
        if name not in (*_ADDRESS_FIELDS, "SUBJECT", "BODY", "TEXT"):
            return None
        wanted = self._text()
        if name == "BODY":
            return lambda _, entry: wanted in Text.of(entry).body
        if name == "TEXT":
            return lambda _, entry: Text.of(entry).has(wanted)
        field = name.lower().encode()
        if name == "SUBJECT":
            return lambda _, entry: Text.of(entry).field_has(field, wanted)
        return lambda _, entry: Text.of(entry).address_has(field, wanted)

    def _text(self) -> str:
        self._cursor.space()
        return self._cursor.astring().decode("utf-8", "replace").lower()

    def _by_fact(self, name: str) -> Criterion:
        cursor = self._cursor
        if name in _DATES:
            cursor.space()
            return _by_date(name, read_date(cursor))
        if name in ("LARGER", "SMALLER"):
            cursor.space()
            size = cursor.number(most=2**63 - 1)
            return (lambda _, entry: entry.size > size) if name == "LARGER" else (lambda _, entry: entry.size < size)
        if name in ("OLDER", "YOUNGER"):
            cursor.space()
            seconds, now, older = cursor.number(least=1), datetime.now(UTC), name == "OLDER"
            return lambda _, entry: ((now - entry.date).total_seconds() >= seconds) is older
        if name == "UID":
            cursor.space()
            wanted = cursor.sequence_set()
            if wanted.is_saved:
                return self._in_saved()
            ranges = wanted.ranges(self._scope.highest_uid)
            return lambda _, entry: entry.uid in ranges
        if name == "MODSEQ":
            return self._by_modseq()
        raise Malformed(f"there is no search key {name}")

    def _by_modseq(self) -> Criterion:
        """Read a mod-sequence, with or without the name of a flag before it, which changes nothing here."""
        cursor = self._cursor
        self._scope.asks_modseq = True
        cursor.space()
        if cursor.stands(b'"'):
            cursor.string()
            cursor.space()
            cursor.word()
            cursor.space()
        least = cursor.number(most=2**63 - 1)
        return lambda _, entry: entry.modseq >= least


def read_date(cursor: Cursor) -> date:
    """Read a date such as 1-Feb-2030, quoted or not."""
    match = _DATE.fullmatch(octets := cursor.astring())
    try:
        if match is not None:
            return date(int(match[3]), _MONTH_NUMBERS.get(match[2].upper(), 0), int(match[1]))
    except ValueError:
        pass
    raise Malformed(f"expected a date such as 1-Feb-2030, got {octets[:20].decode('ascii', 'backslashreplace')!r}")


def _by_date(name: str, day: date) -> Criterion:
    how = name.removeprefix("SENT")

    def compare(found: date | None) -> bool:
        if found is None:
            return False
        return found < day if how == "BEFORE" else found == day if how == "ON" else found >= day

    if name.startswith("SENT"):
        return lambda _, entry: compare(sent_on(entry))
    return lambda _, entry: compare(entry.date.date())
