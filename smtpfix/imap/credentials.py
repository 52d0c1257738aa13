"""What is secret in a line of IMAP: the credentials of LOGIN and AUTHENTICATE (RFC 9051 sections 6.2.2 and 6.2.3).

What follows a verb that nobody knows is secret too: one that is mistyped has a password after it as well.
"""

from __future__ import annotations

import re
from typing import Final

from smtpfix.login.exchange import is_mechanism

from .language import COMMANDS

_KNOWN: Final = frozenset((*(name.encode() for name in COMMANDS), b"UID"))
_HEAD: Final = re.compile(rb"[^\x00-\x20]++[ \t]++([^\x00-\x20]++)[ \t]*+")
"""A tag, and the verb after it."""
_WORD: Final = re.compile(rb"[^\x00-\x20]++[ \t]*+")


def verb_of(line: bytes) -> bytes:
    """Return the verb of a command line in upper case; empty where there is none."""
    match = _HEAD.match(line)
    return b"" if match is None else match[1].upper()


def is_command(line: bytes) -> bool:
    """Return whether a line begins with a tag and a verb that there is."""
    return verb_of(line) in _KNOWN


def secret_at(line: bytes) -> int:
    """Return where in a line that carries a credential it begins; 0 in any other."""
    match = _HEAD.match(line)
    if match is None or match.end() == len(line):
        return 0
    verb = match[1].upper()
    if verb == b"AUTHENTICATE":
        mechanism = _WORD.match(line, match.end())
        if mechanism is None or not is_mechanism(mechanism[0].strip().decode("ascii", "replace")):
            return match.end()
        return mechanism.end() if mechanism.end() < len(line) else 0
    return match.end() if verb == b"LOGIN" or verb not in _KNOWN else 0


def carries_credential(octets: bytes) -> bool:
    """Return whether a line carries a credential, or one of several may."""
    *before, last = octets.rstrip().split(b"\n")
    return secret_at(last) > 0 or any(
        secret_at(line.rstrip()) > 0 or verb_of(line) in (b"LOGIN", b"AUTHENTICATE") for line in before
    )
