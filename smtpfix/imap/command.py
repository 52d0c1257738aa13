"""`Command`: a complete command, with its tag, its name and a cursor for its arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, Self

from .cursor import Cursor

_MATCHED: Final = 65_536
"""Octets of a line or a literal that rules are asked about: a message that is appended is not read as text here."""


class Command(NamedTuple):
    """One command."""

    tag: bytes
    name: str
    """In upper case; ``UID FETCH`` is one name."""
    argument: str
    """What follows the verb, as rules are asked about it: of a long literal only the beginning."""
    cursor: Cursor
    """Stands after the name."""

    @classmethod
    def read(cls, pieces: Sequence[bytes]) -> Self:
        """Read the beginning of a command. Raises `Malformed`."""
        cursor = Cursor(pieces)
        tag = cursor.tag()
        cursor.space()
        name = cursor.word()
        argument = cursor.beginnings(_MATCHED)
        if name == "UID":
            cursor.space()
            name = f"UID {cursor.word()}"
            argument = b"UID" + cursor.beginnings(_MATCHED)
        return cls(tag, name, argument.strip().decode("utf-8", "surrogateescape"), cursor)

    @property
    def stage(self) -> str:
        """The stage of rules: the verb, with UID or without."""
        return self.name.removeprefix("UID ")
