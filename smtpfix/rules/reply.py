"""`Reply`: a reply of SMTP (RFC 5321 section 4.2, RFC 2034 section 4). It does not know when a reply is due."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from smtpfix.comparing import Compared
from smtpfix.errors import InvalidValueError
from smtpfix.later import compiled_later

from .action import Answer

_ENHANCED: Final = re.compile(r"[245]\.(0|[1-9][0-9]{0,2})\.(0|[1-9][0-9]{0,2})\Z")
"""RFC 3463 section 2: class "." subject "." detail, no leading zeros, up to three digits."""

_CONTROL: Final = compiled_later(lambda: re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]"))
"""What a reply cannot hold: control characters, and surrogates, which have no UTF-8."""


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Reply(Answer, Compared):
    r"""A reply to send: ``Reply(450, "4.2.1", "Greylisted")``.

    A text with several lines, separated by ``\n``, becomes a multi-line reply (RFC 5321 section 4.2.1). A 421 reply
    also closes the connection (RFC 5321 section 3.8).

    Raises `InvalidValueError` for a code outside 200 to 599, for an enhanced status code whose class is not that of the
    code, and for control characters in the text.
    """

    code: int
    """The reply code (RFC 5321 section 4.2.2)."""
    enhanced: str | None = None
    """The enhanced status code (RFC 3463); None sends none. 3yz replies have none (RFC 2034 section 4)."""
    text: str = ""
    """The text for people."""
    _octets: tuple[bytes, bytes] | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if isinstance(self.code, bool) or not isinstance(self.code, int) or not 200 <= self.code <= 599:  # noqa: PLR2004
            raise InvalidValueError("Reply.code", self.code, "a reply code from 200 to 599")
        if self.enhanced is not None:
            if not isinstance(self.enhanced, str) or not _ENHANCED.match(self.enhanced):
                raise InvalidValueError.saying(
                    "Reply.enhanced",
                    self.enhanced,
                    f'{self.enhanced!r} is no enhanced status code such as "{self.code // 100}.2.1"; '
                    f"the text of a reply without one is Reply({self.code}, text=...)",
                )
            if self.enhanced[0] != str(self.code)[0]:
                raise InvalidValueError.saying(
                    "Reply.enhanced",
                    self.enhanced,
                    f"{self.enhanced!r} and the reply code {self.code} are of two classes; "
                    f"begin it with {str(self.code)[0]} (RFC 2034 section 4)",
                )
        if not isinstance(self.text, str) or not (self.text.isprintable() or _CONTROL.search(self.text) is None):
            raise InvalidValueError("Reply.text", self.text, "text without control characters, lines separated by \\n")

    @property
    def is_positive(self) -> bool:
        """Whether the reply is 2yz or 3yz (RFC 5321 section 4.2.1)."""
        return self.code < 400  # noqa: PLR2004 - the class boundary itself

    @property
    def ends_session(self) -> bool:
        """Whether the reply is 421, which closes the connection (RFC 5321 section 3.8)."""
        return self.code == 421  # noqa: PLR2004 - as the docstring says

    def encode(self, *, enhanced: bool = True) -> bytes:
        """Return the octets of the reply with every CRLF, with or without the enhanced status code."""
        octets = self._octets
        if octets is None:  # the same objects ever after, so that a thousand transcripts hold them once
            octets = (_encode(self, enhanced=False), _encode(self, enhanced=True))
            object.__setattr__(self, "_octets", octets)
        return octets[enhanced]

    def as_text(self) -> str:
        """Return the action as text, as rules are written."""
        return str(self)

    def __str__(self) -> str:
        """Return the reply as one line, as reports show it."""
        return " ".join(filter(None, (str(self.code), self.enhanced, self.text.replace("\n", " / "))))


def _encode(reply: Reply, *, enhanced: bool) -> bytes:
    prefix = f"{reply.enhanced} " if enhanced and reply.enhanced else ""
    *first, last = reply.text.split("\n")
    lines = [f"{reply.code}-{prefix}{line}" for line in first]
    # The space stands also without text: RFC 5321 section 4.2 wants it, and "334 " needs it (RFC 4954 section 4).
    lines.append(f"{reply.code} {prefix}{last}" if last else f"{reply.code} {reply.enhanced if prefix else ''}")
    return "".join(line + "\r\n" for line in lines).encode()
