"""The names of an account's folders on a server: its delimiter, and whether they are inside INBOX (RFC 2342).

Accounts have one way to name folders, ``/`` between those in each other, however the servers that they are read from
name them. A delimiter changes places with ``/``: so each name has one counterpart, and none is lost.
"""

from __future__ import annotations

from typing import Final

from smtpfix.mail.accounts import DELIMITER, INBOX

from .refusals import Refused
from .writing import string


class Hierarchy:
    """How one server names folders."""

    def __init__(self, delimiter: str | None, *, under_inbox: bool) -> None:
        self.delimiter: Final = delimiter
        """What stands between a folder's name and that of one in it; None where no folder is in another."""
        self.written: Final = string(None if delimiter is None else delimiter.encode("ascii"))
        """The delimiter as answers have it (RFC 9051 section 7.3.1)."""
        self.prefix: Final = f"{INBOX}{delimiter}" if under_inbox else ""
        """What all names but INBOX begin with."""
        self._swapped = {ord(DELIMITER): delimiter, ord(delimiter): DELIMITER} if delimiter else {}

    def shown(self, name: str) -> str:
        """Return what clients call an account's folder."""
        return name if name == INBOX else self.prefix + name.translate(self._swapped)

    def meant(self, name: str) -> str:
        """Return an account's name of what a client calls a folder; INBOX is that in any case.

        Raises `Refused` where the name is outside of all that this server has.
        """
        if self.delimiter is not None:
            name = name.removesuffix(self.delimiter) or name
        if name.upper() == INBOX:
            return INBOX
        if not self.prefix:
            return name.translate(self._swapped)
        if name[: len(self.prefix)].upper() != self.prefix:
            raise Refused(f"the names of all mailboxes begin with {self.prefix}", "CANNOT")
        return name[len(self.prefix) :].translate(self._swapped)

    def parents(self, names: set[str]) -> set[str]:
        """Return all names that one of these is below, as clients call them."""
        found: set[str] = set()
        if self.delimiter is None:
            return found
        for name in names:
            parent = name.rpartition(self.delimiter)[0]
            while parent and parent not in found:
                found.add(parent)
                parent = parent.rpartition(self.delimiter)[0]
        return found
