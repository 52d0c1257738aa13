"""Faults for which `Policy.refuse` makes a server refuse: in a message's content, and in pipelining.

Knows octets and verbs; for bare LF, 8-bit text and pipelining the words are Postfix's.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from smtpfix.mail.envelope import Envelope
from smtpfix.mail.violations import BARE_CR, BARE_LF
from smtpfix.rules.reply import Reply

from . import replies

_LONGEST_LINE: Final = 998
"""Octets of a line without its CRLF, RFC 5321 section 4.5.3.1.6."""
_ANYWHERE: Final = frozenset({"RSET", "MAIL", "RCPT", "BDAT"})
"""The commands that others may follow at once: RFC 2920 section 3.1, and RFC 3030 section 4.2 for BDAT."""
_EIGHT_BIT: Final = frozenset({"BODY=8BITMIME", "SMTPUTF8"})
_REPLIES: Final[Mapping[str, Reply]] = {
    "nul": replies.NUL_IN_CONTENT,
    "bare-lf": replies.BARE_LF,
    "bare-cr": replies.BARE_CR,
    "8bit": replies.UNDECLARED_8BIT,
    "long-line": replies.CONTENT_LINE_TOO_LONG,
}
"""In the order in which they are looked for."""


def refuse_content(octets: bytes, envelope: Envelope, refused: Collection[str]) -> Reply | None:
    """Return the reply to content with something in it that is refused; None if it has nothing of the kind."""
    for name, reply in _REPLIES.items():
        if name in refused and _has(name, octets, envelope):
            return reply
    return None


def _has(name: str, octets: bytes, envelope: Envelope) -> bool:
    match name:
        case "nul":
            return b"\0" in octets
        case "bare-lf":
            return BARE_LF.search(octets) is not None
        case "bare-cr":
            return BARE_CR.search(octets) is not None
        case "8bit":
            declared = {parameter.upper() for parameter in envelope.mail_parameters}
            return not octets.isascii() and not declared & _EIGHT_BIT
        case _:
            return max(map(len, octets.split(b"\r\n"))) > _LONGEST_LINE


def is_too_early(verb: str, *, offers_pipelining: bool) -> bool:
    """Return whether a client may not have sent more after a command before its reply."""
    return not offers_pipelining or verb not in _ANYWHERE
