"""`change`: the change that a rule makes to a mailbox while one of its sessions says a command."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from smtpfix.rules.elsewhere import Elsewhere

from .mailbox import Entry, Mailbox, known_flags
from .shelf import Mail

_NEW: Final = b"From: elsewhere@example.org\r\nSubject: Delivered meanwhile\r\n\r\nHello\r\n"


def change(what: Elsewhere, mailbox: Mailbox, entries: Sequence[Entry]) -> None:
    """Change a mailbox, whose messages one session knows by their places among `entries`, the first as number 1."""
    if what.number is None:
        mailbox.add(Mail(_NEW))
        return
    if what.number > len(entries):
        return
    entry = entries[what.number - 1]
    if what.verb == "expunge":
        mailbox.remove([entry], "EXPUNGE")
    else:
        flags = {flag for flag in entry.flags if flag.lower() != what.flag.lower()}
        mailbox.set_flags(entry, known_flags([*flags, what.flag] if what.verb == "flag" else flags))
