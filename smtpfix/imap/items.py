"""`Wanted`: what a FETCH command requests (RFC 9051 section 6.4.5), an `Item` or `Section` each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from .cursor import Cursor, Malformed
from .writing import astring, in_parentheses

_NAME: Final = re.compile(rb"[A-Za-z0-9.]++")
_MACROS: Final = {
    "FAST": ("FLAGS", "INTERNALDATE", "RFC822.SIZE"),
    "ALL": ("FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE"),
    "FULL": ("FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODY"),
}
_SECTIONS: Final = {"RFC822": "", "RFC822.HEADER": "HEADER", "RFC822.TEXT": "TEXT"}
"""Items of IMAP4rev1 that are sections under another name (RFC 3501 section 6.4.5)."""
_FACTS: Final = frozenset(
    ("UID", "FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODY", "BODYSTRUCTURE", "MODSEQ", "SAVEDATE")
)
_NEEDS: Final = {"BINARY[": "BINARY", "BINARY.SIZE[": "BINARY", "SAVEDATE": "SAVEDATE"}
"""The capability of which an item is part."""
_DEEPEST: Final = 60
"""Numbers of a section; messages are not taken apart so deep."""
_MOST_ITEMS: Final = 100
MOST_MODSEQ: Final = 2**63 - 1
_USUAL: Final = 200
"""Octets of what a client asks for that is remembered: it asks the same of one message after the other."""


@dataclass(frozen=True, slots=True)
class Item:
    """One data item; a `Section` is one with octets of the message."""

    name: str


@dataclass(frozen=True, slots=True)
class Section(Item):
    """Octets of a message: ``BODY[1.2.MIME]<0.100>``."""

    label: bytes
    """How the answer names it."""
    numbers: tuple[int, ...] = ()
    kind: str = ""
    fields: tuple[bytes, ...] = ()
    origin: int | None = None
    """Where the window begins that is asked for; None asks for all."""
    count: int = 0
    """How many octets the window has."""
    peeks: bool = False
    """Whether asking does not mark the message as seen."""
    binary: str = ""
    """``BINARY``, or ``BINARY.SIZE``, where the transfer encoding goes (section 6.4.5.1)."""


class Wanted(NamedTuple):
    """What one command requests of each of its messages."""

    items: tuple[Item, ...]
    since: int | None
    """The mod-sequence that a message has to be above (RFC 7162 section 3.1.4.1); None takes all."""
    has_flags: bool
    has_modseq: bool
    marks: bool
    """Whether it marks the messages as seen."""
    needs: tuple[str, ...]
    """What the server must not hide."""


def read_wanted(cursor: Cursor, *, uid: bool) -> Wanted:
    """Read what FETCH requests, up to the end of the command; UID FETCH requests the UIDs too."""
    usual = cursor.short_rest(_USUAL)
    return _wanted(cursor, uid=uid) if usual is None else _remembered(usual, uid=uid)


@lru_cache(maxsize=128)
def _remembered(octets: bytes, *, uid: bool) -> Wanted:
    return _wanted(Cursor((octets,)), uid=uid)


def _wanted(cursor: Cursor, *, uid: bool) -> Wanted:
    items = _read_items(cursor)
    since: int | None = None
    if not cursor.is_at_end:
        cursor.space()
        cursor.need(b"(CHANGEDSINCE ")
        since = cursor.number(most=MOST_MODSEQ)
        cursor.need(b")")
        items.append(Item("MODSEQ"))
    cursor.end()
    names = [item.name for item in items]
    if uid and "UID" not in names:
        items.insert(0, Item("UID"))
    return Wanted(
        tuple(items),
        since,
        has_flags="FLAGS" in names,
        has_modseq="MODSEQ" in names,
        marks=any(isinstance(item, Section) and not item.peeks for item in items),
        needs=tuple(_NEEDS[name] for name in names if name in _NEEDS),
    )


def _read_items(cursor: Cursor) -> list[Item]:
    """Read a macro, one item, or several in parentheses."""
    if cursor.stands(b"("):
        items = cursor.listed(lambda: _read_item(cursor))
        if not 0 < len(items) <= _MOST_ITEMS:
            raise Malformed(f"expected 1 to {_MOST_ITEMS} items, got {len(items)}")
        return items
    for macro, names in _MACROS.items():
        if cursor.take(macro.encode()):
            return list(map(Item, names))
    return [_read_item(cursor)]


def _read_item(cursor: Cursor) -> Item:
    name = cursor.match(_NAME, "an item such as FLAGS or BODY[]").decode("ascii").upper()
    if not cursor.stands(b"["):
        if name in _SECTIONS:
            peeks = name == "RFC822.HEADER"
            return Section(name, name.encode(), kind=_SECTIONS[name], peeks=peeks)
        if name not in _FACTS:
            raise Malformed(f"there is no item {name}")
        return Item(name)
    base = name.removesuffix(".PEEK")
    if base not in ("BODY", "BINARY", "BINARY.SIZE") or name == "BINARY.SIZE.PEEK":
        raise Malformed(f"there is no item {name}[")
    return _read_section(cursor, base, peeks=name != base or base == "BINARY.SIZE")


def _read_section(cursor: Cursor, base: str, *, peeks: bool) -> Section:
    cursor.need(b"[")
    numbers: list[int] = []
    kind = ""
    fields: list[bytes] = []
    while cursor.is_number():
        numbers.append(cursor.number(least=1))
        if len(numbers) > _DEEPEST:
            raise Malformed(f"no part is inside {_DEEPEST} others")
        if not cursor.take(b"."):
            break
    if not cursor.stands(b"]"):
        kind = cursor.match(_NAME, "a part's number, HEADER, TEXT, MIME or ]").decode("ascii").upper()
        if kind in ("HEADER.FIELDS", "HEADER.FIELDS.NOT"):
            cursor.space()
            fields = cursor.listed(cursor.astring)
            if not fields:
                raise Malformed("expected the names of header fields")
        elif kind not in ("HEADER", "TEXT") and not (kind == "MIME" and numbers):
            raise Malformed(f"there is no section {kind} here")
        if base != "BODY":
            raise Malformed(f"{base} takes the numbers of a part and nothing else")
    cursor.need(b"]")
    origin, count = None, 0
    if base != "BINARY.SIZE" and cursor.take(b"<"):
        origin = cursor.number()
        cursor.need(b".")
        count = cursor.number(least=1)
        cursor.need(b">")
    section = b".".join((*(b"%d" % number for number in numbers), *([kind.encode()] if kind else ())))
    if fields:
        section += b" " + in_parentheses(map(astring, fields))
    label = b"%b[%b]" % (base.encode(), section) + (b"" if origin is None else b"<%d>" % origin)
    binary = "" if base == "BODY" else base
    return Section(f"{base}[", label, tuple(numbers), kind, tuple(fields), origin, count, peeks, binary)
