"""Commands that open, create and change mailboxes: SELECT to UNSUBSCRIBE (RFC 9051 sections 6.3.2 to 6.3.8)."""

from __future__ import annotations

import re
from collections.abc import Generator
from typing import TYPE_CHECKING, Final

from smtpfix.mail.accounts import DELIMITER, INBOX
from smtpfix.rules.status import Ok

from .cursor import Cursor, Malformed
from .refusals import Refused
from .status import Condition
from .writing import in_parentheses, string

if TYPE_CHECKING:
    from .fetch import Piece
    from .state import State

_SPECIAL_USES: Final = ("\\All", "\\Archive", "\\Drafts", "\\Flagged", "\\Junk", "\\Sent", "\\Trash")
"""RFC 6154 section 2."""
_LONGEST_NAME: Final = 1_000
_DEEPEST: Final = 50
_MOST_FOLDERS: Final = 2_000
"""Folders that an account may have: a client makes as many as it likes."""
_NOT_IN_NAMES: Final = re.compile(r"[*%\x00-\x1f\x7f\ud800-\udfff]|//|\A/|\A\Z")

Answer = Generator["Piece", None, Condition]
"""What a command is answered: untagged responses, and then how it ended."""


def select(state: State, cursor: Cursor, *, read_only: bool = False) -> Answer:
    """SELECT, section 6.3.2; with ``(CONDSTORE)`` as in RFC 7162 section 3.1.8."""
    cursor.space()
    name = cursor.astring()
    condstore = False
    if not cursor.is_at_end:
        cursor.space()
        for parameter in cursor.listed(cursor.word):
            if parameter != "CONDSTORE" or "CONDSTORE" in state.policy.hide:
                raise Malformed(f"there is no parameter {parameter}")
            condstore = True
    cursor.end()
    if state.view is not None:
        state.close()
        yield b"* OK [CLOSED] the mailbox before this one\r\n"
    mailbox = state.mailbox(name)
    if condstore:
        state.enabled.add("CONDSTORE")
    read_only = read_only or state.policy.read_only
    view = state.select(mailbox, read_only=read_only)
    state.keywords = {flag for entry in view.entries for flag in entry.flags if not flag.startswith("\\")}
    flags = state.known_flags
    yield b"* FLAGS %b\r\n" % flags
    kept = b"()" if read_only else flags[:-1] + b" \\*)"
    yield b"* OK [PERMANENTFLAGS %b] these are kept\r\n" % kept
    yield b"* %d EXISTS\r\n" % len(view.entries)
    if not state.is_rev2:
        yield b"* %d RECENT\r\n" % len(view.recent)
        unseen = next((number for number, entry in enumerate(view.entries, 1) if not entry.is_seen), None)
        if unseen is not None:
            yield b"* OK [UNSEEN %d] the first\r\n" % unseen
    yield b"* OK [UIDVALIDITY %d] UIDs are valid\r\n" % mailbox.uidvalidity
    yield b"* OK [UIDNEXT %d] the next UID\r\n" % mailbox.uidnext
    if "CONDSTORE" not in state.policy.hide:
        yield b"* OK [HIGHESTMODSEQ %d] the highest\r\n" % mailbox.modseq
    if state.is_rev2:
        yield b"* LIST () %b %b\r\n" % (state.hierarchy.written, state.written_name(mailbox.name))
    return Ok("selected", "READ-ONLY" if read_only else "READ-WRITE")


def examine(state: State, cursor: Cursor) -> Answer:
    """EXAMINE, section 6.3.3."""
    return (yield from select(state, cursor, read_only=True))


def create(state: State, cursor: Cursor) -> Answer:
    r"""CREATE, section 6.3.4; with ``(USE (\Sent))`` as in RFC 6154 section 3."""
    cursor.space()
    name = state.read_name(cursor.astring())
    use: str | None = None
    if not cursor.is_at_end:
        cursor.space()
        cursor.need(b"(USE ")
        uses = [
            flag.capitalize() if flag[:1] != "\\" else "\\" + flag[1:].capitalize()
            for flag in cursor.listed(cursor.flag)
        ]
        cursor.need(b")")
        if any(one not in _SPECIAL_USES for one in uses) or len(uses) > 1:
            raise Refused("one special use of RFC 6154 at the most", "USEATTR")
        use = uses[0] if uses else None
    cursor.end()
    _check_new(state, name)
    box = state.mail.create(name, use)
    if use is not None:
        box.special_use = use
    yield from ()
    return Ok("created")


def _check_new(state: State, name: str) -> None:
    """Raise `Refused` where no mailbox of this name can be made."""
    found = state.mail.mailbox(name)
    if state.policy.read_only:
        raise Refused("nothing can be changed here", "NOPERM")
    if found is not None and found.is_selectable:
        raise Refused("there is such a mailbox already", "ALREADYEXISTS")
    if _NOT_IN_NAMES.search(name):
        raise Refused("a name has neither wildcards nor control characters, and no empty part", "CANNOT")
    if state.hierarchy.delimiter is None and DELIMITER in name:
        raise Refused(f"no mailbox is in another here, so names have no {DELIMITER}", "CANNOT")
    if len(name) > _LONGEST_NAME or name.count(DELIMITER) >= _DEEPEST or len(state.mail.mailboxes) >= _MOST_FOLDERS:
        limits = f"{_LONGEST_NAME} characters in a name, {_DEEPEST} parts in it, {_MOST_FOLDERS} mailboxes"
        raise Refused(f"the most are {limits}", "LIMIT")


def delete(state: State, cursor: Cursor) -> Answer:
    """DELETE, section 6.3.5."""
    cursor.space()
    mailbox = state.mailbox(cursor.astring())
    cursor.end()
    if mailbox.name == INBOX or state.policy.read_only:
        raise Refused("this mailbox stays", "CANNOT")
    if state.view is not None and state.view.mailbox is mailbox:
        state.close()
    state.mail.delete(mailbox.name, state.source)
    yield from ()
    return Ok("deleted")


def rename(state: State, cursor: Cursor) -> Answer:
    """RENAME, section 6.3.6."""
    cursor.space()
    old = state.read_name(cursor.astring())
    cursor.space()
    new = state.read_name(cursor.astring())
    cursor.end()
    if state.mail.mailbox(old) is None:
        raise Refused("there is no such mailbox", "NONEXISTENT")
    if state.mail.mailbox(new) is not None:
        raise Refused("there is such a mailbox already", "ALREADYEXISTS")
    _check_new(state, new)
    if new.startswith(f"{old}{DELIMITER}") and old != INBOX:
        raise Refused("a mailbox cannot be put into itself", "CANNOT")
    state.mail.rename(old, new, state.source)
    yield from ()
    return Ok("renamed")


def subscribe(state: State, cursor: Cursor) -> Answer:
    """SUBSCRIBE, section 6.3.7."""
    cursor.space()
    name = state.read_name(cursor.astring())
    cursor.end()
    if state.mail.mailbox(name) is None:
        raise Refused("there is no such mailbox", "NONEXISTENT")
    state.mail.subscribed.add(name)
    yield from ()
    return Ok("subscribed")


def unsubscribe(state: State, cursor: Cursor) -> Answer:
    """UNSUBSCRIBE, section 6.3.8."""
    cursor.space()
    state.mail.subscribed.discard(state.read_name(cursor.astring()))
    cursor.end()
    yield from ()
    return Ok("unsubscribed")


def namespace(state: State, cursor: Cursor) -> Answer:
    """NAMESPACE, section 6.3.10: one, the user's own."""
    cursor.end()
    hierarchy = state.hierarchy
    own = b"(%b %b)" % (string(hierarchy.prefix.encode("ascii")), hierarchy.written)
    yield b"* NAMESPACE %b NIL NIL\r\n" % in_parentheses((own,))
    return Ok("that is all")


def quota(state: State, cursor: Cursor) -> Answer:
    """GETQUOTA, RFC 9208 section 4.1.2."""
    cursor.space()
    root = cursor.astring()
    cursor.end()
    if root:
        raise Refused("there is one quota root, the empty one", "NONEXISTENT")
    yield _quota(state)
    return Ok("that is the quota")


def quota_root(state: State, cursor: Cursor) -> Answer:
    """GETQUOTAROOT, RFC 9208 section 4.1.3."""
    cursor.space()
    mailbox = state.mailbox(cursor.astring())
    cursor.end()
    yield b'* QUOTAROOT %b ""\r\n' % state.written_name(mailbox.name)
    yield _quota(state)
    return Ok("that is the quota")


def _quota(state: State) -> bytes:
    """Write what an account has and may have, in units of 1,024 octets."""
    return b'* QUOTA "" (STORAGE %d %d)\r\n' % (-(-state.mail.octets // 1024), (state.policy.quota or 0) // 1024)
