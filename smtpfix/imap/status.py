"""Status responses (RFC 9051 section 7.1): `No`, `Bad`, `Bye` and `PreAuth` beside `Ok`; and `GoOn`.

Values, as rules have them. The code that sends one knows the tag of the command that it answers.
"""

from __future__ import annotations

import re
from typing import Final, TypeAlias

from smtpfix.rules.status import Ok, Status

_WORD: Final = re.compile(r"(OK|NO|BAD|BYE|PREAUTH|\+)(?:\s+|\Z)")
"""In capitals: ``no reply`` is an action."""


class _Negative(Status):
    """A response with which the command has no effect."""

    __slots__ = ()

    @property
    def is_positive(self) -> bool:
        """False."""
        return False


class No(_Negative):
    """The answer that the command failed: ``No("later", "UNAVAILABLE")`` (RFC 9051 section 7.1.2)."""

    __slots__ = ()
    word = "NO"


class Bad(_Negative):
    """The answer that the command breaks the grammar or the state: ``Bad("what?")`` (RFC 9051 section 7.1.3)."""

    __slots__ = ()
    word = "BAD"


class Bye(_Negative):
    """The server closes the connection: ``Bye("too many connections")`` (RFC 9051 section 7.1.5)."""

    __slots__ = ()
    word = "BYE"

    @property
    def ends_session(self) -> bool:
        """True."""
        return True


class PreAuth(Status):
    """The greeting of a server that treats the client as logged in: ``PreAuth("hello")`` (RFC 9051 section 7.1.4)."""

    __slots__ = ()
    word = "PREAUTH"

    @property
    def is_positive(self) -> bool:
        """True."""
        return True


class GoOn(_Negative):
    """A continuation request, which has no tag: ``GoOn("go on")`` (RFC 9051 section 7.6)."""

    __slots__ = ()
    word = "+"


KINDS: Final[tuple[type[Status], ...]] = (Ok, No, Bad, Bye, PreAuth, GoOn)
"""All that there is to answer."""
_BY_WORD: Final = {kind.word: kind for kind in KINDS}

Condition: TypeAlias = Ok | No | Bad
"""How a command ends."""


def tagged(status: Status, tag: bytes = b"*") -> bytes:
    """Write a response: to the command of this tag, or unasked; BYE and a continuation request have none."""
    words = status.words.encode("utf-8", "surrogateescape")
    if isinstance(status, GoOn):  # whose space stands also without a text
        return b"+ %b\r\n" % words
    first = b"*" if isinstance(status, Bye) else tag
    return b"%b %b%b%b\r\n" % (first, status.word.encode("ascii"), b" " if words else b"", words)


def parse_status(text: str) -> Status | None:
    """Read a response, such as ``NO [UNAVAILABLE] later``; None for a text that is none."""
    match = _WORD.match(text)
    return None if match is None else _BY_WORD[match[1]].parse(text[match.end() :])
