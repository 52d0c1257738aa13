"""What the probe speaks with: a client within bounds of time, lines and octets, whatever a server sends.

Knows commands and replies (RFC 5321 section 4.2), and when to give a reply up; what is said, and what comes of it, is
`session`'s.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from smtpfix.clock import monotonic

from .measurement import INTERNAL_ERROR
from .secrets import Secrets

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


class Stopped(Exception):  # noqa: N818 - it may be the server's good right
    """The probe ends here, with this reply code."""

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


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered, as it came; only `Secrets` says what may be shown of it."""

    code: int
    texts: tuple[bytes, ...]
    """What stands behind the code, line by line."""

    @property
    def text(self) -> bytes:
        """All of it in one line."""
        return b" ".join(self.texts)

    @property
    def is_positive(self) -> bool:
        """Whether what was asked for is done (RFC 5321 section 4.2.1)."""
        return self.code // 100 == 2  # noqa: PLR2004 - the digit of the section

    @property
    def is_permanent(self) -> bool:
        """Whether it is refused, today and tomorrow."""
        return self.code // 100 == 5  # noqa: PLR2004 - the digit of the section


class Speaker:
    """A client on a connected socket, each of whose waits ends in time. Raises `Stopped` where a reply is none."""

    def __init__(self, connected: socket.socket, timeout: float, deadline: Deadline, secrets: Secrets) -> None:
        self.secrets = secrets
        self.last_reply: list[bytes] = []
        """The lines of the last reply as they came, with their ends; of a line that was given up, the beginning."""
        self._socket = connected
        self._timeout = timeout
        self._deadline = deadline
        self._unread = bytearray()
        self._octets = 0

    def secured(self, by: socket.socket) -> None:
        """Go on inside TLS, and forget what the server said in clear (RFC 3207 section 4.2)."""
        self._socket = by
        self._unread.clear()

    def waits(self) -> socket.socket:
        """Return the socket, which is about to wait for no longer than it may."""
        self._socket.settimeout(self._deadline.left(self._timeout))
        return self._socket

    def say(self, line: str) -> Reply:
        """Send a line and read the reply to it."""
        self.send(f"{line}\r\n".encode())
        return self.read()

    def send(self, octets: bytes) -> None:
        """Send octets as they are."""
        self.waits().sendall(octets)

    def close(self) -> None:
        """Close the connection, without a word."""
        with contextlib.suppress(OSError):
            self._socket.close()

    def refused(self, reply: Reply, detail: str = "") -> Stopped:
        """Return what ends the probe with the server's own code and words."""
        words = (str(reply.code), self.secrets.text(reply.text), f"({detail})" if detail else "")
        return Stopped(reply.code, " ".join(filter(None, words)))

    def read(self) -> Reply:
        """Read one reply."""
        lines = self.last_reply = []
        texts = []
        while True:
            line = self._line()
            if not _is_reply(line):
                shown = self.secrets.text(line.strip())[:_SHOWN]
                raise self._given_up(f"no valid reply: expected a code and a text, got {shown}")
            if line[:_CODE] != lines[0][:_CODE]:
                codes = f"{lines[0][:_CODE].decode()} and {line[:_CODE].decode()}"
                raise self._given_up(f"no valid reply: expected one code on all its lines, got {codes}")
            texts.append(line[_CODE + 1 :].strip(b" \t\r\n"))
            if line[_CODE : _CODE + 1] != b"-":
                return Reply(int(line[:_CODE]), tuple(texts))
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
            except OSError:
                self._note(LONGEST_LINE)
                raise
            if not octets:
                self._note(LONGEST_LINE)
                raise self._given_up("the server closed the connection in the place of a reply")
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
