"""`Cursor`: the arguments of a command, read one by one from its lines and literals (RFC 9051 section 9)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from .sets import MOST, SequenceSet

T = TypeVar("T")

LITERAL: Final = re.compile(rb"(~?)\{([0-9]{1,18})(\+?)\}\Z")
"""What announces a literal at the end of a line: RFC 9051 section 4.3, ``~`` as in section 4.4."""
_ATOM: Final = re.compile(rb'[^\x00-\x20\x7f(){%*"\\\]]++')
_ASTRING: Final = re.compile(rb'[^\x00-\x20\x7f(){%*"\\]++')
_TAG: Final = re.compile(rb'[^\x00-\x20\x7f-\xff(){%*"\\+]++')
_LIST_MAILBOX: Final = re.compile(rb'[^\x00-\x20\x7f(){"\\]++')
_QUOTED: Final = re.compile(rb'"((?:[^"\\\r\n\0]++|\\["\\])*+)"')
_ESCAPED: Final = re.compile(rb"\\(.)")
_NUMBER: Final = re.compile(rb"[0-9]{1,19}+")
_SPACES: Final = re.compile(rb" ++")
_SET: Final = re.compile(rb"[^ )]*+")
"""What is read as a sequence set, whether it is one or not."""
_MOST_RANGES: Final = 10_000
"""Ranges of a set; to read more would hold others up."""
_SHOWN: Final = 20
"""Octets that an error shows of where it was."""


class Malformed(Exception):  # noqa: N818 - an answer, as `Refused` is
    """The command is not of the grammar, or means nothing in this state: it is answered BAD (section 7.1.3)."""


class Cursor:
    """Where a command's arguments are read; every method raises `Malformed` where its kind does not stand."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._pieces = pieces
        """A line, a literal, a line, …; the last one is a line."""
        self._stand_at(0)

    def _stand_at(self, index: int) -> None:
        """Stand at the beginning of a line."""
        self._index, self._at = index, 0
        self._line = line = self._pieces[index]
        self._capitals = line.upper()

    @property
    def rest(self) -> bytes:
        """What has not been read; literals stand as they are."""
        return self._line[self._at :] + b"".join(self._pieces[self._index + 1 :])

    def beginnings(self, most: int) -> bytes:
        """Return what has not been read, of each line and each literal so many octets at the most."""
        line = self._line[self._at : self._at + most]
        if self._index == len(self._pieces) - 1:
            return line
        return line + b"".join(piece[:most] for piece in self._pieces[self._index + 1 :])

    def short_rest(self, most: int) -> bytes | None:
        """Return what has not been read, if that is in one line and so many octets at the most."""
        is_short = self._index == len(self._pieces) - 1 and len(self._line) - self._at <= most
        return self._line[self._at :] if is_short else None

    def expected(self, what: str) -> Malformed:
        """Return the error that says what should have stood here."""
        found = self._line[self._at : self._at + _SHOWN].decode("ascii", "backslashreplace")
        return Malformed(f"expected {what}, got {found!r}" if found else f"expected {what}, but the command ends there")

    @property
    def is_at_end(self) -> bool:
        """Whether nothing is left but white space."""
        return self._index == len(self._pieces) - 1 and not self._line[self._at :].strip()

    def end(self) -> None:
        """Read the end of the command."""
        if not self.is_at_end:
            raise self.expected("the end of the command")

    def stands(self, octets: bytes) -> bool:
        """Return whether these octets stand here, in whatever case; they are given in upper case."""
        return self._capitals.startswith(octets, self._at)

    def take(self, octets: bytes) -> bool:
        """Read these octets if they stand here; return whether they did."""
        if not self._capitals.startswith(octets, self._at):
            return False
        self._at += len(octets)
        return True

    def need(self, octets: bytes) -> None:
        """Read these octets."""
        if not self.take(octets):
            raise self.expected(repr(octets.decode("ascii")))

    def space(self) -> None:
        """Read the space between two arguments; several of them are taken too."""
        self.match(_SPACES, "' '")

    def match(self, pattern: re.Pattern[bytes], what: str) -> bytes:
        """Read what a pattern matches."""
        found = pattern.match(self._line, self._at)
        if found is None:
            raise self.expected(what)
        self._at = found.end()
        return found[0]

    def tag(self) -> bytes:
        """Read a command's tag (section 2.2.1)."""
        return self.match(_TAG, "a tag")

    def word(self) -> str:
        """Read an atom that is a keyword, and return it in upper case."""
        return self.match(_ATOM, "a word").decode("ascii", "replace").upper()

    def number(self, least: int = 0, most: int = MOST) -> int:
        """Read a number."""
        value = int(self.match(_NUMBER, "a number"))
        if not least <= value <= most:
            raise Malformed(f"expected a number from {least} to {most}, got {value}")
        return value

    def is_number(self) -> bool:
        """Return whether a digit stands here."""
        return self._line[self._at : self._at + 1].isdigit()

    def sequence_set(self) -> SequenceSet:
        """Read a sequence set, or ``$`` for what the last search saved."""
        begin = self._at
        found = self.match(_SET, "")
        if found.count(b",") >= _MOST_RANGES:
            raise Malformed(f"a set has {_MOST_RANGES} ranges at the most")
        try:
            return SequenceSet.parse(found)
        except ValueError:
            self._at = begin
            raise self.expected("a sequence set such as 1:5,7,9:*") from None

    def string(self) -> bytes:
        """Read a quoted string or a literal."""
        if self.stands(b'"'):
            return _ESCAPED.sub(rb"\1", self.match(_QUOTED, "a quoted string that ends")[1:-1])
        if LITERAL.match(self._line, self._at) is None or self._index + 1 >= len(self._pieces):
            raise self.expected("a quoted string or a literal")
        literal = self._pieces[self._index + 1]
        self._stand_at(self._index + 2)
        return literal

    def astring(self, pattern: re.Pattern[bytes] = _ASTRING) -> bytes:
        """Read an atom or a string."""
        if self.stands(b'"') or self.stands(b"{") or self.stands(b"~{"):
            return self.string()
        return self.match(pattern, "an atom or a string")

    def list_mailbox(self) -> bytes:
        """Read a mailbox name with wildcards (section 6.3.9)."""
        return self.astring(_LIST_MAILBOX)

    def flag(self) -> str:
        r"""Read a flag: a keyword, or one that begins with ``\``."""
        begins = "\\" if self.take(b"\\") else ""
        return begins + self.match(_ATOM, "a flag").decode("ascii", "replace")

    def listed(self, read: Callable[[], T]) -> list[T]:
        """Read a list in parentheses of what `read` reads; it may be empty."""
        self.need(b"(")
        found: list[T] = []
        while not self.take(b")"):
            if found:
                self.space()
            found.append(read())
        return found
