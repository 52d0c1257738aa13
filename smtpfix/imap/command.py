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
    cursor: Cursor
    """Stands after the name."""

    @classmethod
    def read(cls, pieces: Sequence[bytes]) -> Self:
        """Read the beginning of a command. Raises `Malformed`."""
        cursor = Cursor(pieces)
        tag = cursor.tag()
        cursor.space()
        name = cursor.word()
        if name == "UID":
            cursor.space()
            name = f"UID {cursor.word()}"
        return cls(tag, name, cursor)

    @property
    def argument(self) -> str:
        """What follows the verb, as rules are asked about it before the cursor moves on: of a literal the beginning."""
        argument = self.cursor.beginnings(_MATCHED)
        if self.name.startswith("UID "):
            argument = b"UID" + argument
        return argument.strip().decode("utf-8", "surrogateescape")

    @property
    def stage(self) -> str:
        """The stage of rules: the verb, with UID or without."""
        return self.name.removeprefix("UID ")
