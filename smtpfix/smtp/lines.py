"""Command lines off a connection's buffer: one at a time, with a limit, and checked before anybody asks for a verb."""

from __future__ import annotations

import re
from typing import Final

from smtpfix.record.recorder import Recorder
from smtpfix.record.transcript import CUT, Kind
from smtpfix.rules import reply as replies
from smtpfix.rules.reply import Reply

LINE_LIMIT: Final = 12_288
"""Octets that a line of AUTH may have with its CRLF, RFC 4954 section 4."""
TOO_LONG: Final = b"\n"
"""Stands for a line that was over its limit, and has been skipped: no line has an LF."""
SHOWN: Final = 200
"""Octets of a rejected line that the transcript keeps."""

_CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


class Lines:
    """One connection's."""

    def __init__(self, limit: int, recorder: Recorder) -> None:
        self._most = limit
        self._recorder = recorder
        self._scan = 0
        self._skipped = 0
        self._limit = limit

    @property
    def is_skipping(self) -> bool:
        """Whether the end of a line that is over its limit is still to come."""
        return self._skipped > 0

    def take(self, buffer: bytearray, *, in_auth: bool) -> bytes | None:
        """Take one line off the buffer, without its LF; None while it is not complete.

        One over its limit is let go as it comes, and is `TOO_LONG` at its end. In an AUTH exchange lines may be longer,
        and are secret.
        """
        if not self._skipped:
            self._limit = self._most
            if in_auth or buffer[:5].upper() == b"AUTH ":
                self._limit = max(LINE_LIMIT, self._limit)
        end = buffer.find(b"\n", self._scan)
        if end < 0:
            if self._skipped or len(buffer) > self._limit:
                self._skip(buffer, len(buffer), in_auth=in_auth)
            else:
                self._scan = len(buffer)
            return None
        self._scan = 0
        if not self._skipped and end < self._limit:
            line = bytes(buffer[:end])
            del buffer[: end + 1]
            return line
        self._skip(buffer, end + 1, in_auth=in_auth)
        self._recorder.note(f"{CUT.decode()}{self._skipped} octets long, the limit is {self._limit}")
        self._skipped = 0
        return TOO_LONG

    def _skip(self, buffer: bytearray, count: int, *, in_auth: bool) -> None:
        if not self._skipped:
            shown = bytes(buffer[:SHOWN])
            if in_auth:
                self._recorder.add(Kind.SECRET, shown)
            else:
                self._recorder.add_stray(shown)
        self._skipped += count
        self._scan = 0
        del buffer[:count]


def malformed(line: bytes, head: bytes) -> Reply | None:
    """Return the reply to a line that is no command whatever its verb, `head`; None if it may be one."""
    if not line.strip():
        return replies.EMPTY_LINE
    if _CONTROL.search(line):
        return replies.CONTROL_CHARACTER
    if line.isascii():
        return None
    if not head.isascii():
        return replies.NOT_ASCII
    try:
        line.decode()
    except UnicodeDecodeError:
        return replies.NOT_UTF8
    return None


def against_grammar(line: bytes) -> Reply | None:
    """Return a strict server's reply to a line; None if the grammar has nothing against it."""
    from .grammar import faults  # noqa: PLC0415 - few servers are strict

    fault = next(faults(line), None)
    return None if fault is None else fault.reply
