"""The content of an arriving message: read in blocks up to CRLF.CRLF, unstuffed in one pass, stored once.

Nothing else ends it: no bare LF, no bare CR (RFC 5321 section 2.3.8 and 4.1.1.4).
"""

from __future__ import annotations

import re
from typing import Final, Literal

from smtpfix.mail.envelope import NO_DOTS, Dots

_END: Final = b"\r\n.\r\n"
_CRLF: Final = b"\r\n"
_CRLF_DOT: Final = b"\r\n."


class Content:
    """One message's content, growing in the connection's own buffer.

    Over the limit, what comes is counted and let go: memory stays bounded, and the client can be answered at its end.
    """

    is_chunk: Literal[False] = False
    chunks: tuple[int, ...] = ()
    argument = ""
    """Nothing comes by BDAT here; `chunks` has what does."""

    def __init__(self, buffer: bytearray, limit: int | None) -> None:
        # The CRLF that ended the DATA command is the first half of an end at once, and begins the first line.
        buffer[:0] = _CRLF
        self._limit = limit
        # Every line can be one octet longer on the wire than in the message, and the shortest such line has three.
        self._most = None if limit is None else limit + limit // 3 + len(_END) + len(_CRLF)
        self._scan = 0
        self._drained = 0
        self.octets: bytes | None = None
        """The exact octets, once it is complete; None if it was over the limit."""
        self.size = 0
        """Octets of content: exact once complete, and while it comes, or over the limit, as they are on the wire."""
        self.dots = NO_DOTS
        """The lines that began with a dot, once it is complete."""
        self.ended_by = ""
        """What ended it, where that was not CRLF.CRLF."""

    def measure(self, buffer: bytearray) -> int:
        """Return how many octets of content have come, as they are on the wire, without taking what is there."""
        end = buffer.find(_END, self._scan)
        return max(0, self._drained + (len(buffer) - len(_CRLF) if end < 0 else end))

    def take(self, buffer: bytearray) -> bool:
        """Take what is there; return whether the end was in it. What follows the end is left."""
        come = len(buffer)
        if come == len(_CRLF) and not self._drained:
            return False  # nothing has come after the CRLF of DATA
        # Backwards: CPython's rfind is two to four times as fast as find. Most blocks hold no end, and most contents no
        # line that begins with a dot; only where one stands before the end, that may be an earlier end, or stuffed.
        end = buffer.rfind(_END, self._scan)
        has_dots = end >= 0 and buffer.rfind(_CRLF_DOT, 0, end + len(_CRLF)) >= 0
        if has_dots:
            end = buffer.find(_END, self._scan)
        if end < 0:
            self._scan = max(0, come - len(_END) + 1)
            if self._drained or (self._most is not None and come > self._most):
                self._drained += self._scan
                del buffer[: self._scan]
                come -= self._scan
                self._scan = 0
            self.size = max(0, self._drained + come - len(_CRLF))
            return False
        if self._drained:
            self.size = self._drained + end
            del buffer[: end + len(_END)]
            return True
        stuffed = bytes(memoryview(buffer)[len(_CRLF) : end + len(_CRLF)])
        octets = unstuff(stuffed) if has_dots else stuffed
        if octets is not stuffed:
            doubled = buffer.count(b"\r\n..", 0, end)
            single = len(stuffed) - len(octets) - doubled
            self.dots = Dots(doubled, single, ends_of_line(stuffed) if single else ())
        del buffer[: end + len(_END)]
        self.size = len(octets)
        if self._limit is None or self.size <= self._limit:
            self.octets = octets
        return True


def unstuff(stuffed: bytes) -> bytes:
    """Return content without the dot that doubles one at the start of a line.

    RFC 5321 section 4.5.2: a line that begins with a dot loses it. Lines end with CRLF and nothing else.
    """
    if stuffed[:1] != b"." and stuffed.rfind(b"\r\n.") < 0:  # backwards is two to four times as fast
        return stuffed
    return (_CRLF + stuffed).replace(b"\r\n.", _CRLF)[len(_CRLF) :]


def ends_of_line(stuffed: bytes) -> tuple[str, ...]:
    """Return which lines of a single dot some servers would take for the end of this content."""
    forms = (("CRLF.LF", rb"\r\n\.\n"), ("CRLF.CR", rb"\r\n\.\r(?!\n)"))
    return tuple(name for name, form in forms if re.search(form, _CRLF + stuffed))
