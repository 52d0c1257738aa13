"""What the probe speaks with: smtplib's client within bounds of time, lines and octets, whatever a server sends.

Knows replies (RFC 5321 section 4.2) and when to give one up; what is said, and what comes of it, is `probe`'s.
"""

from __future__ import annotations

import smtplib
import socket
from collections.abc import Callable
from typing import Final

from smtpfix.clock import monotonic
from smtpfix.safe_text import printable

from .measurement import INTERNAL_ERROR

LONGEST_LINE: Final = 8_192
"""Octets of a line of a reply; RFC 5321 section 4.5.3.1.5 has 512."""
MOST_LINES: Final = 200
"""Lines of one reply."""
MOST_OCTETS: Final = 262_144
"""Octets of all replies on one connection."""
_SHOWN: Final = 100
_EARLY: Final = 0.01
"""Seconds by which a wait may be over too early."""
_CODE: Final = 3


class Stopped(smtplib.SMTPServerDisconnected):
    """The probe ends here, with this reply code; to smtplib, the connection has ended."""

    def __init__(self, reply_code: int, text: str) -> None:
        super().__init__(text)
        self.reply_code = reply_code


class Deadline:
    """When all of a probe has to be over."""

    def __init__(self, seconds: float, now: Callable[[], float] = monotonic) -> None:
        self._now = now
        self._end = now() + seconds
        self.text = f"it was not over after {seconds:g} s, the deadline"
        """What there is to say when it has passed."""

    @property
    def has_passed(self) -> bool:
        """Whether nothing more is to be waited for."""
        return self._now() >= self._end - _EARLY

    def left(self, at_most: float) -> float:
        """Return the seconds that the next wait may take. Raises `Stopped`."""
        if self.has_passed:
            raise Stopped(INTERNAL_ERROR, self.text)
        return min(self._end - self._now(), at_most)


class Speaker(smtplib.SMTP):
    """A client on a connected socket, each of whose waits ends in time. Raises `Stopped` where a reply is none."""

    def __init__(self, connected: socket.socket, name: str, timeout: float, deadline: Deadline) -> None:
        super().__init__(local_hostname=name)
        self.sock: socket.socket | None = connected
        self.last_reply: list[bytes] = []
        """The lines of the last reply as they came, with their ends; of a line that was given up, the beginning."""
        self._timeout = timeout
        self._deadline = deadline
        self._unread = bytearray()
        self._octets = 0

    def secured(self, by: socket.socket) -> None:
        """Go on inside TLS, and forget what the server said in clear (RFC 3207 section 4.2)."""
        self.sock = by
        self._unread.clear()
        self.ehlo_resp = self.helo_resp = None
        self.esmtp_features = {}
        self.does_esmtp = False

    def waits(self) -> socket.socket:
        """Return the socket, which is about to wait for no longer than it may."""
        if self.sock is None:
            raise smtplib.SMTPServerDisconnected("the connection was closed")
        self.sock.settimeout(self._deadline.left(self._timeout))
        return self.sock

    def send(self, s: str | bytes | bytearray) -> None:  # type: ignore[override]
        """Send octets, or a text of ASCII."""
        self.waits()
        super().send(s)

    def getreply(self) -> tuple[int, bytes]:
        """Read one reply; return its code and its text, the lines separated by LF."""
        lines = self.last_reply = []
        texts = []
        while True:
            line = self._line()
            if not _is_reply(line):
                raise self._given_up(
                    f"no valid reply: expected a code and a text, got {printable(line[:_SHOWN].strip())}"
                )
            texts.append(line[_CODE + 1 :].strip(b" \t\r\n"))
            if line[_CODE : _CODE + 1] != b"-":
                return int(line[:_CODE]), b"\n".join(texts)
            if len(lines) >= MOST_LINES:
                raise self._given_up(f"a reply goes on behind {MOST_LINES} lines: the rest was not read")

    def _line(self) -> bytes:
        """Take one line off what has come, and note it."""
        while (end := self._unread.find(b"\n") + 1) == 0 and len(self._unread) <= LONGEST_LINE:
            if not (room := MOST_OCTETS - self._octets):
                self._note(LONGEST_LINE)
                raise self._given_up(f"the replies have more than {MOST_OCTETS:,} octets: no more was read")
            try:
                octets = self.waits().recv(min(LONGEST_LINE, room))
            except OSError as error:
                self._note(LONGEST_LINE)
                self.close()
                raise smtplib.SMTPServerDisconnected(f"{type(error).__name__}: {error}") from error
            if not octets:
                self._note(LONGEST_LINE)
                self.close()
                raise smtplib.SMTPServerDisconnected("the server closed the connection in the place of a reply")
            self._octets += len(octets)
            self._unread += octets
        if not end or end > LONGEST_LINE:
            self._note(LONGEST_LINE)
            raise self._given_up(f"a line of a reply has more than {LONGEST_LINE:,} octets: no more was read")
        return self._note(end)

    def _given_up(self, reason: str) -> Stopped:
        """Close the connection; return what there is to say."""
        self.close()
        return Stopped(INTERNAL_ERROR, reason)

    def _note(self, count: int) -> bytes:
        line = bytes(self._unread[:count])
        del self._unread[:count]
        if line:
            self.last_reply.append(line)
        return line


def _is_reply(line: bytes) -> bool:
    """Return whether a line has the form of RFC 5321 section 4.2: a code from 200 to 599, a hyphen or a blank, a text.

    Many servers leave the blank out where there is no text.
    """
    code, separator = line[:_CODE], line[_CODE : _CODE + 1]
    return len(code) == _CODE and code.isdigit() and code[:1] in b"2345" and separator in (b" ", b"-", b"\r", b"\n")
