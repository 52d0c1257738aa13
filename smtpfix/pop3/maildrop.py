"""`Maildrop`: a session's snapshot of an account's INBOX, and its changes to it (RFC 1939 section 5).

Synchronous, without a connection: a number or a command's argument in, a reply out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from smtpfix.mail.accounts import INBOX, Account
from smtpfix.mail.mailbox import Entry
from smtpfix.mail.view import Reader

from . import replies
from .replies import Reply, err, lines, ok, stuffed

if TYPE_CHECKING:
    from smtpfix.mail.message import SessionSource
    from smtpfix.rules.elsewhere import Elsewhere

_BLOCK: Final = 4_096
"""Octets whose lines are counted at once."""
_LONGEST_NUMBER: Final = 18
"""Digits of a number that anything could be meant by."""


class Maildrop:
    """One session's, from its login to QUIT."""

    def __init__(self, account: Account, source: SessionSource) -> None:
        self.reader = Reader(source)
        """What was written to the client."""
        self.sent: tuple[Entry, int] | None = None
        """What the last reply has of a message: which one, and how many of its octets from the first on."""
        self._box = account.mailboxes[INBOX]
        self._source = source
        self._entries = self._box.entries
        self._octets = sum(entry.size for entry in self._entries)
        self._deleted: set[int] = set()
        self._deleted_octets = 0
        self._uidvalidity = self._box.uidvalidity

    @property
    def welcome(self) -> Reply:
        """What a client is told that has logged in."""
        return ok(f"{self._summary()[0]} messages")

    def perform(self, verb: str, argument: str) -> Reply:
        """Return the reply to a command of `language.TRANSACTION`."""
        self.sent = None
        return _COMMANDS[verb](self, argument)

    def update(self) -> None:
        """Delete for good what was marked (RFC 1939 section 6)."""
        self._box.remove([self._entries[number - 1] for number in sorted(self._deleted)], "QUIT", self._source)
        self._deleted.clear()

    def change_elsewhere(self, what: Elsewhere) -> None:
        """Have another session change what this one has a snapshot of."""
        from smtpfix.mail.elsewhere import change  # noqa: PLC0415 - few rules do

        change(what, self._box, self._entries)

    def _there(self) -> list[tuple[int, Entry]]:
        return [(number, entry) for number, entry in enumerate(self._entries, 1) if number not in self._deleted]

    def _summary(self) -> tuple[int, int]:
        return len(self._entries) - len(self._deleted), self._octets - self._deleted_octets

    def _find(self, argument: str) -> tuple[int, Entry] | Reply:
        """Return a message by its number, or what is wrong with that."""
        number = _number(argument)
        if number is None:
            return replies.NO_NUMBER
        if not 1 <= number <= len(self._entries):
            return err(f"there is no such message: there are {len(self._entries)}")
        if number in self._deleted:
            return err(f"message {number} is deleted")
        return number, self._entries[number - 1]

    def _stat(self, argument: str) -> Reply:
        return replies.NO_ARGUMENT if argument else ok("{} {}".format(*self._summary()))

    def _listing(self, argument: str, told: Callable[[Entry], object]) -> Reply:
        """Return what is told of one message, or of all (RFC 1939 sections 5 and 7)."""
        if argument:
            found = self._find(argument)
            return found if isinstance(found, Reply) else ok(f"{found[0]} {told(found[1])}")
        there = self._there()
        return ok(f"{len(there)} messages", lines(*(f"{number} {told(entry)}" for number, entry in there)))

    def _list(self, argument: str) -> Reply:
        return self._listing(argument, lambda entry: entry.size)

    def _uidl(self, argument: str) -> Reply:
        return self._listing(argument, lambda entry: f"{self._uidvalidity:x}.{entry.uid:x}")

    def _retr(self, argument: str) -> Reply:
        found = self._find(argument)
        if isinstance(found, Reply):
            return found
        _, entry = found
        self.sent = entry, entry.size
        return ok(f"{entry.size} octets", stuffed(entry.content), is_message=True)

    def _top(self, argument: str) -> Reply:
        first, _, second = argument.partition(" ")
        count = _number(second.strip())
        if count is None:
            return replies.NO_LINES
        found = self._find(first)
        if isinstance(found, Reply):
            return found
        _, entry = found
        content = entry.content
        end = _end_of_lines(content, entry.mail.body_at, count)
        self.sent = entry, end
        return ok("the top follows", stuffed(content[:end]), is_message=True)

    def _dele(self, argument: str) -> Reply:
        found = self._find(argument)
        if isinstance(found, Reply):
            return found
        self._deleted.add(found[0])
        self._deleted_octets += found[1].size
        return ok(f"message {found[0]} goes at QUIT")

    def _rset(self, argument: str) -> Reply:
        if argument:
            return replies.NO_ARGUMENT
        self._deleted.clear()
        self._deleted_octets = 0
        return self.welcome

    def _noop(self, argument: str) -> Reply:
        return replies.NO_ARGUMENT if argument else ok()


_COMMANDS: Final[dict[str, Callable[[Maildrop, str], Reply]]] = {
    "STAT": Maildrop._stat,  # noqa: SLF001 - this class's own
    "LIST": Maildrop._list,  # noqa: SLF001
    "UIDL": Maildrop._uidl,  # noqa: SLF001
    "RETR": Maildrop._retr,  # noqa: SLF001
    "TOP": Maildrop._top,  # noqa: SLF001
    "DELE": Maildrop._dele,  # noqa: SLF001
    "RSET": Maildrop._rset,  # noqa: SLF001
    "NOOP": Maildrop._noop,  # noqa: SLF001
}


def _number(text: str) -> int | None:
    """Return a number that is written in digits, as RFC 2449 section 4 has it."""
    is_number = text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER
    return int(text) if is_number else None


def _end_of_lines(content: bytes, begin: int, count: int) -> int:
    """Return where so many lines end from a place on, or the content does.

    Blocks are counted as a whole, since a client may ask for a million lines again and again.
    """
    at = begin
    while at < len(content) and count > 0:
        there = content.count(b"\n", at, at + _BLOCK)
        if there < count:
            count -= there
            at += _BLOCK
            continue
        for _ in range(count):
            at = content.find(b"\n", at) + 1
        return at
    return min(at, len(content))
