"""`LFContent`: content whose lines all end with LF alone, for lenient servers only.

A dot alone on a line ends it, whatever ends that line and the one before. Where a client knows CRLF, that would let
whoever writes the text smuggle commands in, so `delivery` takes this only where the client has said none up to here.
"""

from __future__ import annotations

from typing import Final

from smtpfix.mail.envelope import Dots

from .content import Content

_LF: Final = b"\n"
_LONGEST_END: Final = 4
"""Octets of the longest end, LF.CRLF."""


class LFContent(Content):
    """One message's content."""

    def measure(self, buffer: bytearray) -> int:
        """Return how many octets of content have come, as they are on the wire, without taking what is there."""
        end, _ = self._find(buffer)
        return max(0, self._drained + (len(buffer) if end < 0 else end + 1) - 2)

    def take(self, buffer: bytearray) -> bool:
        """Take what is there; return whether the end was in it. What follows the end is left."""
        end, length = self._find(buffer)
        if end < 0:
            self._scan = max(0, len(buffer) - _LONGEST_END + 1)
            if self._drained or (self._most is not None and len(buffer) > self._most):
                self._drained += self._scan
                del buffer[: self._scan]
                self._scan = 0
            self.size = max(0, self._drained + len(buffer) - 2)
            return False
        has_cr = buffer[max(0, end - 1) : end] == b"\r" and end > 1
        self.ended_by = ("CRLF" if has_cr else "LF") + (".LF" if length == len(b"\n.\n") else ".CRLF")
        if self.ended_by == "CRLF.CRLF":
            self.ended_by = ""
        if self._drained:
            self.size = self._drained + end - 1
            del buffer[: end + length]
            return True
        stuffed = bytes(memoryview(buffer)[2 : end + 1])
        del buffer[: end + length]
        octets = (_LF + stuffed).replace(b"\n.", _LF)[1:]
        doubled = (_LF + stuffed).count(b"\n..")
        self.dots = Dots(doubled, len(stuffed) - len(octets) - doubled)
        self.size = len(octets)
        if self._limit is None or self.size <= self._limit:
            self.octets = octets
        return True

    def _find(self, buffer: bytearray) -> tuple[int, int]:
        """Return where the end begins, at the LF before its dot, and its length; -1 where it has not come."""
        found = [(place, len(end)) for end in (b"\n.\n", b"\n.\r\n") if (place := buffer.find(end, self._scan)) >= 0]
        return min(found, default=(-1, 0))


def unended(octets: bytes) -> str:
    """Return what the end of a content that never ended may be taken for, such as ``LF.LF``; empty if nothing."""
    from smtpfix.mail.violations import end_like  # noqa: PLC0415 - few contents never end

    from .content import ends_of_line  # noqa: PLC0415 - as above

    return ", ".join(end_like(octets, ends_of_line(octets)))
