"""The probe's client, within limits of time, lines and octets, whatever a server sends.

Knows when to give a reply up, and what every protocol's client can do. How replies look is told by `smtp`, `imap` and
`pop3`; what is said, and what comes of it, is `session`'s.
"""

from __future__ import annotations

import contextlib
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Final

from smtpfix.clock import monotonic

from .measurement import INTERNAL_ERROR, REFUSED, Probe
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

    status: str
    """Whether it is yes or no: ``250``; ``OK``, ``NO``, ``BAD``, ``BYE``; ``+OK``, ``-ERR``; ``+`` asks for more."""
    texts: tuple[bytes, ...]
    """What follows the status, line by line."""

    @property
    def code(self) -> int:
        """The probe's reply code where this reply ends it."""
        if self.status.isdigit():
            return int(self.status)
        return INTERNAL_ERROR if self.status == "+" else REFUSED

    @property
    def text(self) -> bytes:
        """All of it in one line."""
        return b" ".join(self.texts)

    @property
    def is_positive(self) -> bool:
        """Whether what was asked for is done (RFC 5321 section 4.2.1)."""
        return self.status in ("OK", "+OK") or self.code // 100 == 2  # noqa: PLR2004 - the digit of the section

    @property
    def is_permanent(self) -> bool:
        """Whether it is refused, today and tomorrow."""
        return self.code // 100 == 5  # noqa: PLR2004 - the digit of the section

    @property
    def wants_more(self) -> bool:
        """Whether it is a challenge, or asks for the rest of a command."""
        return self.status in ("334", "+")


class Speaker(ABC):
    """A client on a connected socket, each of whose waits ends in time. Raises `Stopped` where a reply is none."""

    hello_stage: ClassVar[str]
    """The stage in which the server says what it offers."""
    starttls: ClassVar[str]
    """The command that begins TLS, and its name among what is offered."""
    logged_in: ClassVar[str]
    """The status of a reply that says that the client is logged in."""
    login_command: ClassVar[str]
    """The command that begins a SASL exchange."""
    longest_command: ClassVar[int]
    """Octets of a command without its end; an initial response that does not fit is sent as an answer."""

    def __init__(self, connected: socket.socket, settings: Probe, deadline: Deadline, secrets: Secrets) -> None:
        self.secrets = secrets
        self.last_reply: list[bytes] = []
        """The lines of the last reply as they came, with their ends; of a line that was given up, the beginning."""
        self.offered: tuple[str, ...] = ()
        """What the server offers by its last word on it, a keyword and its parameters each, in upper case."""
        self.software = ""
        """What the server names as its software, printable."""
        self._settings = settings
        self._socket = connected
        self._deadline = deadline
        self._unread = bytearray()
        self._octets = 0

    # What each protocol says in its own way

    @abstractmethod
    def read(self) -> Reply:
        """Read one reply."""

    @abstractmethod
    def greeted(self) -> str:
        """Read the greeting and return its text. Raises `Stopped` where the server does not welcome its client."""

    @abstractmethod
    def capabilities(self) -> tuple[bytes, ...]:
        """Ask what the server offers. Raises `Stopped`."""

    def identity(self) -> tuple[tuple[str, str], ...]:
        """Ask the server what it is, where that can be asked; return its fields and values, printable."""
        return ()

    @abstractmethod
    def mechanisms(self) -> list[str]:
        """Return the SASL mechanisms that are offered, in upper case."""

    def log_in_without_sasl(self) -> str:
        """Log in by the protocol's own command and return its name; empty where there is none to log in by."""
        return ""

    @abstractmethod
    def leave(self) -> None:
        """Say goodbye."""

    def takes_initial_response(self) -> bool:
        """Return whether the server takes an initial response in the command itself."""
        return True

    # What is the same for all

    def begin_login(self, mechanism: str, initial: str | None) -> Reply:
        """Begin a SASL exchange, with an initial response in base64 where the mechanism has one."""
        command = f"{self.login_command} {mechanism}"
        if initial is None:
            return self.say(command)
        if self.takes_initial_response() and len(command) + 1 + len(initial) <= self.longest_command:
            return self.say(f"{command} {initial}")
        reply = self.say(command)
        return self.answer(initial) if reply.wants_more else reply

    def offers(self, keyword: str) -> bool:
        """Return whether the server offers something."""
        return any(line.split()[:1] == [keyword] for line in self.offered)

    def begin_tls(self) -> None:
        """Have the server begin TLS. Raises `Stopped`."""
        if not self.offers(self.starttls):
            raise Stopped(INTERNAL_ERROR, f"the server does not offer {self.starttls}")
        if not (reply := self.say(self.starttls)).is_positive:
            raise self.refused(reply)

    def secured(self, by: socket.socket) -> None:
        """Go on inside TLS, and forget what the server said in clear (RFC 3207 section 4.2)."""
        self._socket = by
        self._unread.clear()

    def waits(self) -> socket.socket:
        """Return the socket, which is about to wait for no longer than it may."""
        self._socket.settimeout(self._deadline.left(self._settings.timeout))
        return self._socket

    def say(self, line: str) -> Reply:
        """Send a command and read the reply to it."""
        return self.answer(line)

    def answer(self, line: str) -> Reply:
        """Send a line, which goes on with a command, and read the reply to it."""
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
        words = (reply.status, self.secrets.text(reply.text), f"({detail})" if detail else "")
        return Stopped(reply.code, " ".join(filter(None, words)))

    def _line(self) -> bytes:
        """Take one line off what has come, and note it."""
        if len(self.last_reply) >= MOST_LINES:
            raise self._given_up(f"a reply goes on after {MOST_LINES} lines: the rest was not read")
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
                raise self._given_up("the server closed the connection instead of replying")
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

    def _is_none(self, expected: str, got: bytes) -> Stopped:
        """Give a reply up that is none; return what there is to say."""
        shown = self.secrets.text(got.strip())[:_SHOWN]
        return self._given_up(f"no valid reply: expected {expected}, got {shown}")

    def _note(self, count: int) -> bytes:
        line = bytes(self._unread[:count])
        del self._unread[:count]
        if line:
            self.last_reply.append(line)
        return line
