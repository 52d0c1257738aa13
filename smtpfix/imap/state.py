"""`State`: the state of one session, on which commands work (RFC 9051 section 3)."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from smtpfix.mail.accounts import Account
from smtpfix.mail.mailbox import Entry, Mailbox
from smtpfix.mail.view import Reader, View

from .cursor import Malformed
from .hierarchy import Hierarchy
from .names import from_utf7, to_utf7
from .refusals import Refused
from .writing import astring, in_parentheses, utf8_string

if TYPE_CHECKING:
    import asyncio

    from smtpfix.mail.message import SessionSource

    from .policy import ImapPolicy

_ANNOUNCED: Final = re.compile(rb"\{([0-9]{1,10})\}\r\n\Z")
_LONGEST: Final = 14
"""Octets of what announces a literal, at the most."""
_MARK: Final = 24
"""Octets of a message by which it is found in an answer that was changed."""


class State:
    """One session's."""

    def __init__(
        self,
        policy: ImapPolicy,
        source: SessionSource,
        loop: asyncio.AbstractEventLoop,
        *,
        told: Callable[[], None],
        retrieved: Callable[[Entry], None],
    ) -> None:
        self.policy: ImapPolicy = policy
        self.hierarchy = Hierarchy(policy.delimiter, under_inbox=policy.under_inbox)
        """What this server calls folders."""
        self.source = source
        self.account: Account | None = None
        """Whose mail it reads; None before the login."""
        self.view: View | None = None
        """The selected mailbox."""
        self._reader = Reader(source)
        self.enabled: set[str] = set()
        """What the client has enabled (section 6.3.1), in upper case."""
        self.held_back: list[tuple[Entry, int, int]] | None = None
        """What is to be written of messages, where a rule may change it before; None where none does."""
        self.saved: Collection[int] = frozenset()
        """UIDs that the last search saved (section 6.4.4.1)."""
        self.keywords: set[str] = set()
        """The keywords that the client has been told of in the selected mailbox."""
        self._loop = loop
        self._told = told
        self._retrieved = retrieved

    # Where the session is

    @property
    def name(self) -> str:
        """The state: ``not authenticated``, ``authenticated`` or ``selected``."""
        if self.account is None:
            return "not authenticated"
        return "authenticated" if self.view is None else "selected"

    @property
    def selected(self) -> View:
        """The view of the selected mailbox, for commands of that state."""
        assert self.view is not None  # noqa: S101 - commands are asked for their state first
        return self.view

    @property
    def mail(self) -> Account:
        """The account, for commands after the login."""
        assert self.account is not None  # noqa: S101 - as above
        return self.account

    @property
    def is_rev2(self) -> bool:
        """Whether the client has asked for IMAP4rev2's answers."""
        return "IMAP4REV2" in self.enabled

    @property
    def takes_utf8(self) -> bool:
        """Whether names are in UTF-8 (section 5.1, RFC 6855)."""
        return self.is_rev2 or "UTF8=ACCEPT" in self.enabled

    def select(self, mailbox: Mailbox, *, read_only: bool) -> View:
        """Select a mailbox; another one is closed before."""
        self.close()
        self.view = self.mail.view(mailbox, read_only=read_only, loop=self._loop, told=self._told)
        return self.view

    def close(self) -> None:
        """Close the selected mailbox, if there is one."""
        if self.view is not None:
            self.view.close()
            self.view = None
        self.saved = frozenset()
        self.keywords = set()

    def need(self, capability: str) -> None:
        """Raise `Malformed` where this server hides what a part of a command needs."""
        if capability in self.policy.hide:
            raise Malformed(f"this server has no {capability}")

    # Names

    def read_name(self, octets: bytes) -> str:
        """Return the account's name of the mailbox that a client means. Raises `Refused` where it can have none."""
        return self.hierarchy.meant(self.read_name_pattern(octets))

    def read_name_pattern(self, octets: bytes) -> str:
        """Return a part of a name, such as a reference or a pattern, as it stands."""
        return octets.decode("utf-8", "surrogateescape") if self.takes_utf8 else from_utf7(octets)

    def written_name(self, name: str) -> bytes:
        """Write what this server calls a mailbox."""
        return self.written_as_shown(self.hierarchy.shown(name))

    def written_as_shown(self, name: str) -> bytes:
        """Write a mailbox name that is this server's already."""
        if not self.takes_utf8:
            return astring(to_utf7(name))
        return astring(name.encode()) if name.isascii() else utf8_string(name.encode("utf-8", "surrogateescape"))

    def mailbox(self, octets: bytes, code: str = "NONEXISTENT") -> Mailbox:
        """Return the mailbox that a client names. Raises `Refused` with a code where there is none."""
        try:
            found = self.mail.mailbox(self.read_name(octets))
        except Refused as error:
            raise Refused(str(error), code) from None
        if found is None or not found.is_selectable:
            raise Refused("there is no such mailbox", code)
        return found

    # Flags

    def set_flags(self, entry: Entry, flags: frozenset[str]) -> None:
        """Change a message's flags for this session, which hears of it in the answer to its command."""
        self.selected.mailbox.set_flags(entry, flags)
        self.selected.know(entry)

    def written_flags(self, entry: Entry) -> bytes:
        """Write a message's flags in parentheses."""
        return _written_flags(entry.flags, is_recent=entry in self.selected.recent and not self.is_rev2)

    def wrote(self, entry: Entry, begin: int, end: int) -> None:
        """Note that octets of a message were written to the client, which may have read all of it by now."""
        if self.held_back is not None:
            self.held_back.append((entry, begin, end))
        elif self._reader.wrote(entry, begin, end):
            self._retrieved(entry)

    def settle_written(self, octets: bytes) -> None:
        """Note what of the octets that were held back has been written: as much of each as stands in these.

        What follows the end that a literal has announced is none of it.
        """
        held_back, self.held_back = self.held_back or (), None
        for entry, begin, end in held_back:
            body = max(begin, entry.mail.body_at)
            own = entry.content[body:end]
            at = octets.find(own[:_MARK])
            if own and at >= 0:
                own = own[: max(_announced(octets, at - (body - begin), end - begin) - (body - begin), 0)]
                self.wrote(entry, begin, body + _same(own, octets[at : at + len(own)]))

    # What has changed

    def news(self, *, expunge: bool = True) -> Iterator[bytes]:
        """Yield what the session has to be told of its mailbox (section 7.4 and 7.5)."""
        if self.view is None or not self.view.has_changed:
            return
        update = self.view.update(expunge=expunge)
        for number in update.expunged:
            yield b"* %d EXPUNGE\r\n" % number
        if update.exists is not None:
            yield b"* %d EXISTS\r\n" % update.exists
            if not self.is_rev2:
                yield b"* %d RECENT\r\n" % len(self.view.recent)
        yield from self.new_keywords([entry for _, entry in update.changed])
        with_modseq = "CONDSTORE" in self.enabled
        for number, entry in update.changed:
            uid = b" UID %d" % entry.uid if with_modseq or self.is_rev2 else b""
            modseq = b" MODSEQ (%d)" % entry.modseq if with_modseq else b""
            yield b"* %d FETCH (FLAGS %b%b%b)\r\n" % (number, self.written_flags(entry), uid, modseq)

    def new_keywords(self, entries: Iterable[Entry]) -> Iterator[bytes]:
        """Yield which flags there are, if any of these messages has a keyword that the client was not told of."""
        used = {entry.flags for entry in entries}  # most messages have the same ones
        found = {flag for flags in used for flag in flags if not flag.startswith("\\")}
        if found - self.keywords:
            self.keywords |= found
            yield b"* FLAGS %b\r\n" % self.known_flags

    @property
    def known_flags(self) -> bytes:
        """All flags of the selected mailbox, in parentheses."""
        flags = (*SYSTEM_FLAGS, *sorted(self.keywords))
        return in_parentheses(flag.encode("utf-8", "surrogateescape") for flag in flags)


@lru_cache(maxsize=64)
def _written_flags(flags: frozenset[str], *, is_recent: bool) -> bytes:
    written = sorted(flags) + ["\\Recent"] * is_recent
    return in_parentheses(flag.encode("utf-8", "surrogateescape") for flag in written)


def _announced(octets: bytes, at: int, count: int) -> int:
    """Return the octets that the literal which begins here has announced; `count` where none begins here."""
    found = _ANNOUNCED.search(octets, max(at - _LONGEST, 0), at) if at > 0 else None
    return count if found is None else min(int(found[1]), count)


def _same(one: bytes, other: bytes) -> int:
    """Return how many octets are the same, from the first on."""
    if one == other:
        return len(one)
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(other))


SYSTEM_FLAGS: Final = ("\\Answered", "\\Flagged", "\\Deleted", "\\Seen", "\\Draft")
