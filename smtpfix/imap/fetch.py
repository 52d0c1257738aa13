"""The responses to FETCH (RFC 9051 section 7.5.2), one message at a time, with the octets as they are stored."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

from smtpfix.mail.mailbox import Entry
from smtpfix.mail.stored import SEEN

from .items import Section, Wanted
from .message_text import root_of
from .refusals import Refused
from .structure import body_structure, chosen_fields, envelope, header, message_in, part_at, span, without_encoding
from .writing import internal_date, literal

if TYPE_CHECKING:
    from .state import State

Piece: TypeAlias = bytes | memoryview
"""Octets of an answer; a memoryview has those of a message, of which the record tells the number only."""
_SHORT: Final = 500
"""Octets of a message up to which they are part of the text around them."""


class Fetch:
    """One FETCH command."""

    def __init__(self, state: State, wanted: Wanted) -> None:
        self._state = state
        self._wanted = wanted
        self._marks = wanted.marks and not state.selected.read_only

    def of(self, number: int, entry: Entry) -> Sequence[Piece]:
        """Return the answer for one message. Raises `Refused`."""
        state, wanted = self._state, self._wanted
        marked = False
        if self._marks and not entry.is_seen and state.selected.mailbox.holds(entry):
            state.set_flags(entry, entry.flags | {SEEN})
            marked = True
        text, pieces = b"* %d FETCH (" % number, list[Piece]()
        for item in wanted.items:
            if (write := _FACTS.get(item.name)) is not None:
                text += write(state, entry)
            elif not isinstance(item, Section):
                text += _structure(item.name, entry)
            else:
                text, octets = self._section(text, item, entry)
                if octets is not None:
                    pieces += (text, octets)
                    text = b""
                text += b" "
        if marked and not wanted.has_flags:
            text += b"FLAGS %b " % state.written_flags(entry)
        if marked and "CONDSTORE" in state.enabled and not wanted.has_modseq:  # RFC 7162 section 3.2
            text += b"MODSEQ (%d) " % entry.modseq
        pieces.append(text[:-1] + b")\r\n")
        return pieces

    def _section(self, text: bytes, item: Section, entry: Entry) -> tuple[bytes, memoryview | None]:
        """Return the text up to an item's octets, and these where they are of the message and not few."""
        begin, octets = _found(item, entry)
        if item.binary == "BINARY.SIZE":
            return text + item.label + b" %d" % len(octets or b""), None
        text += item.label + b" "
        if octets is None:
            return text + b"NIL", None
        if item.origin is not None:
            octets = octets[item.origin : item.origin + item.count]
        if begin is not None:
            first = begin + (item.origin or 0)
            self._state.wrote(entry, *_covered(entry, first, first + len(octets)))
        elif item.binary and item.origin is None and (where := span(root_of(entry), item.numbers, "")) is not None:
            self._state.wrote(entry, *_covered(entry, *where))
        if item.binary and b"\0" in bytes(octets):
            text += b"~"
        if begin is None or len(octets) <= _SHORT:
            return text + literal(bytes(octets)), None
        return text + b"{%d}\r\n" % len(octets), octets


_FACTS: Final[dict[str, Callable[[State, Entry], bytes]]] = {
    "UID": lambda _, entry: b"UID %d " % entry.uid,
    "FLAGS": lambda state, entry: b"FLAGS %b " % state.written_flags(entry),
    "INTERNALDATE": lambda _, entry: b"INTERNALDATE %b " % internal_date(entry.date),
    "RFC822.SIZE": lambda _, entry: b"RFC822.SIZE %d " % len(entry.mail.content),
    "MODSEQ": lambda _, entry: b"MODSEQ (%d) " % entry.modseq,
    "SAVEDATE": lambda _, entry: b"SAVEDATE %b " % internal_date(entry.saved),
}
"""How a message's items are written, a space behind each; the others are read off its octets, once."""


def _structure(name: str, entry: Entry) -> bytes:
    """Write ENVELOPE, BODY or BODYSTRUCTURE, and a space behind it."""
    cache = entry.mail.cache
    if name not in cache:
        root = root_of(entry)
        shown = envelope(root) if name == "ENVELOPE" else body_structure(root, extended=name == "BODYSTRUCTURE")
        cache[name] = b"%b %b " % (name.encode(), shown)
    found: bytes = cache[name]
    return found


def _found(item: Section, entry: Entry) -> tuple[int | None, memoryview | None]:
    """Return the octets of a section, and where they begin in the message, if they stand in it as they are."""
    content = memoryview(entry.content)
    if not item.numbers and not item.kind:  # as it is, without taking it apart
        return 0, content
    root = root_of(entry)
    if item.binary:
        part = part_at(root, item.numbers)
        if part is None:
            return None, None
        octets = without_encoding(part)
        if octets is None:
            raise Refused("the transfer encoding of this part is not known here", "UNKNOWN-CTE")
        return None, memoryview(octets)
    if item.fields:
        part = part_at(root, item.numbers)
        message = message_in(part) if part is not None and item.numbers else part
        if message is None:
            return None, None
        return None, memoryview(chosen_fields(header(message), item.fields, keeps=item.kind == "HEADER.FIELDS"))
    where = span(root, item.numbers, item.kind)
    return (None, None) if where is None else (where[0], content[where[0] : where[1]])


def _covered(entry: Entry, begin: int, end: int) -> tuple[int, int]:
    """Return what a client has that was sent these octets: the lines between two parts are nobody's content.

    So whoever fetches all parts one by one has read the message.
    """
    cache = entry.mail.cache
    if "part" not in cache:
        return begin, end
    if "ends" not in cache:
        leaves = [part for part in cache["part"].walk() if not part.parts]
        cache["ends"] = [part.end for part in leaves], [part.body for part in leaves]
    ends, bodies = cache["ends"]
    place = bisect_right(ends, begin)
    if place < len(bodies) and begin <= bodies[place]:
        begin = ends[place - 1] if place else min(begin, cache["part"].body)
    if end >= ends[-1]:
        end = entry.size
    return begin, end
