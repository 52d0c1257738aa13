"""Command lines from a connection's buffer, one at a time, with a limit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from smtpfix.record.recorder import Recorder
from smtpfix.record.transcript import CUT

LOGIN_LIMIT: Final = 12_288
"""Octets that a line of a login may have with its CRLF, RFC 4954 section 4."""
TOO_LONG: Final = b"\n"
"""Stands for a line that was over its limit, and has been skipped: no line has an LF."""
SHOWN: Final = 200
"""Octets of a rejected line that the transcript keeps."""


class Lines:
    """One connection's."""

    def __init__(self, limit: int, login: bytes, recorder: Recorder, is_answer: Callable[[bytes], bool]) -> None:
        self._most = limit
        self._login = login
        """How a command begins that may be as long as a line of a login, in upper case."""
        self._recorder = recorder
        self._is_answer = is_answer
        """Whether a line may be an answer in a login though nothing was asked."""
        self.beginning = b""
        """How the last line began that was over its limit."""
        self._scan = 0
        self._skipped = 0
        self._limit = limit

    @property
    def is_skipping(self) -> bool:
        """Whether the end of a line that is over its limit is still to come."""
        return self._skipped > 0

    def take(self, buffer: bytearray, *, in_login: bool) -> bytes | None:
        """Take one line off the buffer, without its LF; None while it is not complete.

        One over its limit is let go as it comes, and is `TOO_LONG` at its end. In a login lines may be longer, and are
        secret.
        """
        end = buffer.find(b"\n", self._scan)
        if 0 <= end < self._most and not self._skipped:  # within the limit, whatever line it is
            self._scan = 0
            line = bytes(buffer[:end])
            del buffer[: end + 1]
            return line
        if not self._skipped:
            self._limit = self._most
            if in_login or buffer[: len(self._login)].upper() == self._login:
                self._limit = max(LOGIN_LIMIT, self._limit)
        if end < 0:
            if self._skipped or len(buffer) > self._limit:
                self._skip(buffer, len(buffer), in_login=in_login)
            else:
                self._scan = len(buffer)
            return None
        self._scan = 0
        if not self._skipped and end < self._limit:
            line = bytes(buffer[:end])
            del buffer[: end + 1]
            return line
        self._skip(buffer, end + 1, in_login=in_login)
        self._recorder.note(f"{CUT.decode()}{self._skipped} octets long, the limit is {self._limit}")
        self._skipped = 0
        return TOO_LONG

    def _skip(self, buffer: bytearray, count: int, *, in_login: bool) -> None:
        if not self._skipped:
            self.beginning = bytes(buffer[:SHOWN])
            self._recorder.add_beginning(self.beginning, is_answer=in_login or self._is_answer(self.beginning))
        self._skipped += count
        self._scan = 0
        del buffer[:count]
