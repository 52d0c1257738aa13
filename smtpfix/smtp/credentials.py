"""What in a line of SMTP is secret: the initial response of AUTH (RFC 4954 section 4).

Knows single lines; the answers to challenges are secret as a whole, and whoever takes them says so.
"""

from __future__ import annotations

import re
from typing import Final

_AUTH: Final = re.compile(rb"(?i)[ \t\r\v\f]*auth[ \t\r\v\f]+\S+[ \t\r\v\f]+(?=\S)")
_AUTH_ANYWHERE: Final = re.compile(rb"(?im)^[ \t\r\v\f]*auth[ \t\r\v\f]+\S+[ \t\r\v\f]+\S")


def carries_credential(octets: bytes) -> bool:
    """Return whether a line, or one of several, is an AUTH command with an initial response."""
    return b"AUTH" in octets.upper() and _AUTH_ANYWHERE.search(octets) is not None


def credential_at(line: bytes) -> int:
    """Return where the initial response begins in a line that carries one; 0 in any other."""
    match = _AUTH.match(line)
    return match.end() if match else 0
