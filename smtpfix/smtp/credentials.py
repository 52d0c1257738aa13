"""What is secret in a line of SMTP: the initial response of AUTH (RFC 4954 section 4).

Knows what stands in the octets; the answers to challenges are secret as a whole, and whoever takes them says so.
"""

from __future__ import annotations

import re
from typing import Final

from smtpfix.later import compiled_later

_COMMAND: Final = compiled_later(lambda: re.compile(rb"(?i)[^\x21-\x7e]*auth(?:enticate)?\b[\x00-\x20=:]*"))
"""AUTH, in whatever form it comes: also after a byte order mark, or by the name that it has in IMAP."""
_WORD: Final = compiled_later(lambda: re.compile(rb"[^\x00-\x20]+"))


def carries_credential(octets: bytes) -> bool:
    """Return whether a line is an AUTH command with an initial response, or one of several is AUTH and not the last.

    What follows it may be an answer.
    """
    if b"AUTH" not in octets.upper():
        return False
    lines = octets.rstrip().split(b"\n")
    return any(asks_for_login(line) for line in lines[:-1]) or credential_at(lines[-1]) > 0


def credential_at(line: bytes) -> int:
    """Return where the initial response begins in a line that carries one; 0 in any other.

    What stands in the mechanism's place and is none may be one too.
    """
    begins = asks_for_login(line)
    mechanism = _WORD.match(line, begins) if begins else None
    if mechanism is None:
        return 0
    from smtpfix.login.exchange import is_mechanism  # noqa: PLC0415 - most clients never log in

    if not is_mechanism(mechanism[0].decode("ascii", "replace")):
        return begins
    response = _WORD.search(line, mechanism.end())
    return response.start() if response else 0


def asks_for_login(line: bytes) -> int:
    """Return where the argument of an AUTH command begins, in whatever form that came; 0 in any other line."""
    match = _COMMAND.match(line)
    return match.end() if match else 0
