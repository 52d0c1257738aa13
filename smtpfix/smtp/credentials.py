"""What in a line of SMTP is secret: the initial response of AUTH (RFC 4954 section 4).

Knows what stands in the octets; the answers to challenges are secret as a whole, and whoever takes them says so.
"""

from __future__ import annotations

import re
from typing import Final

from smtpfix.login.exchange import MECHANISM

_MECHANISM: Final = MECHANISM.encode()
_AUTH: Final = re.compile(
    rb"[\x00-\x09\x0b-\x20]*(?i:auth)[\x00-\x09\x0b-\x20=]+"
    rb"(?:%b[ \t\r\v\f]+(?=\S)|(?=\S)(?!%b))" % (_MECHANISM, _MECHANISM)
)
_AUTH_ANYWHERE: Final = re.compile(
    rb"(?m)^[\x00-\x09\x0b-\x20]*(?i:auth)[\x00-\x20=]+(?:%b\s+\S|(?=\S)(?!%b))" % (_MECHANISM, _MECHANISM)
)
"""In a block of lines also without an initial response: what stands behind it may be an answer. No line end may be
matched in two ways, or looking for it costs the square of what a client sends."""
_COMMAND: Final = re.compile(rb"(?i)[\x00-\x20]*auth\b[\x00-\x20=]*")


def carries_credential(octets: bytes) -> bool:
    """Return whether a line is an AUTH command with an initial response, or one of several is AUTH and not the last."""
    return b"AUTH" in octets.upper() and _AUTH_ANYWHERE.search(octets) is not None


def credential_at(line: bytes) -> int:
    """Return where the initial response begins in a line that carries one; 0 in any other."""
    match = _AUTH.match(line)
    return match.end() if match else 0


def asks_for_login(line: bytes) -> int:
    """Return where the argument of an AUTH command begins, in whatever form that came; 0 in any other line."""
    match = _COMMAND.match(line)
    return match.end() if match else 0
