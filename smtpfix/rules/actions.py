"""What a rule may do beside replying, as values: `Delay`, `Raw`, `Disconnect` and their like.

Knows what each one means; `player` does it to a connection.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, TypeAlias

from smtpfix.errors import InvalidValueError

from .reply import Reply

_KEYWORD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*\Z")
"""``ehlo-keyword``, RFC 5321 section 4.1.1.1."""
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


def _check_number(field: str, value: object, *, least: float, unit: str, whole: bool = False) -> None:
    kinds = int if whole else int | float
    if isinstance(value, bool) or not isinstance(value, kinds) or not value >= least:
        what = "whole number" if whole else "number"
        raise InvalidValueError(field, value, f"a {what} of {unit}, {least:g} or more")


@dataclass(frozen=True, slots=True)
class Delay:
    """Hold everything back for some seconds, then go on; commands that arrive meanwhile wait their turn."""

    seconds: float

    def __post_init__(self) -> None:
        _check_number("Delay.seconds", self.seconds, least=0, unit="seconds")


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Close the connection without a reply; where TLS is on, with its close_notify unless told otherwise.

    Without, the client cannot tell the end from an attacker's (RFC 8446 section 6.1).
    """

    notify: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.notify, bool):
            raise InvalidValueError("Disconnect.notify", self.notify, "True or False")


@dataclass(frozen=True, slots=True)
class Reset:
    """Break the connection off with a TCP reset (RFC 9293 section 3.5.2); what is due to the client is lost."""


@dataclass(frozen=True, slots=True)
class Raw:
    r"""Send these octets as they are instead of a reply: ``Raw(b"250 OK\n")``, ``Raw(b"250-more\r\n" * 1000)``.

    Nothing is added, no CRLF either. The command has no effect, unless `performs` says that it takes the one it would
    have had: ``Raw(b"220 go\r\n250 injected\r\n", performs=True)`` at STARTTLS begins TLS.
    """

    octets: bytes
    performs: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.octets, bytes):
            raise InvalidValueError("Raw.octets", self.octets, "octets, as bytes")
        if not isinstance(self.performs, bool):
            raise InvalidValueError("Raw.performs", self.performs, "True or False")


MOST_REPEATED: Final = 67_108_864
"""Octets that a `Repeat` with an end may come to."""


@dataclass(frozen=True, slots=True)
class Repeat:
    r"""Send these octets again and again, no faster than the client reads: ``Repeat(b"250-more\r\n")``.

    With `times`, so often, and what stands behind it in the rule follows. Without, until the client leaves or the
    policy's timeout is over; what the client says meanwhile is thrown away. As with `Raw`, the command has no effect.
    """

    octets: bytes
    times: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.octets, bytes) or not self.octets:
            raise InvalidValueError("Repeat.octets", self.octets, "octets, as bytes, one or more")
        if self.times is not None:
            _check_number("Repeat.times", self.times, least=1, unit="times", whole=True)
            if self.times * len(self.octets) > MOST_REPEATED:
                most = f"no more than {MOST_REPEATED} octets in all, or None for no end"
                raise InvalidValueError("Repeat.times", self.times, most)


@dataclass(frozen=True, slots=True)
class NoReply:
    """Perform the command and say nothing; go on with the next one."""


@dataclass(frozen=True, slots=True)
class Stall:
    """Say nothing more, and throw away what comes, until the client leaves or the policy's timeout is over."""


@dataclass(frozen=True, slots=True)
class Drip:
    """From here on, send so many octets at a time, so many seconds apart, on this connection."""

    octets: int = 1
    every: float = 1.0
    """Seconds from one portion to the next."""

    def __post_init__(self) -> None:
        _check_number("Drip.octets", self.octets, least=1, unit="octets", whole=True)
        _check_number("Drip.every", self.every, least=0, unit="seconds")


@dataclass(frozen=True, slots=True)
class Throttle:
    """From here on, read no more than so many octets a second on this connection."""

    octets_per_second: int

    def __post_init__(self) -> None:
        _check_number("Throttle.octets_per_second", self.octets_per_second, least=1, unit="octets", whole=True)


@dataclass(frozen=True, slots=True, init=False)
class Hide:
    """Leave keywords out of the reply to EHLO: ``Hide("STARTTLS")``. What the server does is as before."""

    keywords: tuple[str, ...]

    def __init__(self, *keywords: str) -> None:
        if not keywords or not all(isinstance(one, str) and _KEYWORD.match(one) for one in keywords):
            raise InvalidValueError("Hide.keywords", list(keywords), "EHLO keywords such as STARTTLS")
        object.__setattr__(self, "keywords", tuple(one.upper() for one in keywords))


@dataclass(frozen=True, slots=True, init=False)
class Advertise:
    """Add lines to the reply to EHLO: ``Advertise("AUTH PLAIN", "XFANCY")``. What the server does is as before."""

    lines: tuple[str, ...]

    def __init__(self, *lines: str) -> None:
        if not lines or not all(isinstance(one, str) and one and not _CONTROL.search(one) for one in lines):
            raise InvalidValueError("Advertise.lines", list(lines), "lines of text without control characters")
        object.__setattr__(self, "lines", lines)


@dataclass(frozen=True, slots=True)
class KeepInjected:
    """Take what the client sent in clear behind its STARTTLS for commands inside TLS.

    Vulnerable servers do (CVE-2011-0411); RFC 3207 section 4.2 wants it discarded.
    """


@dataclass(frozen=True, slots=True)
class Flight:
    """Shake hands, but let no more than so many octets of the server's out before what stands behind it in the rule.

    ``Flight(), Stall()`` never sends the server's Finished; ``Flight(600), Disconnect()`` breaks off inside a record;
    ``Flight(600), Delay(1)`` goes on after a second.
    """

    octets: int | None = None
    """How many; None: all up to the record with the server's Finished (RFC 8446 section 4.4.4)."""

    def __post_init__(self) -> None:
        if self.octets is not None:
            _check_number("Flight.octets", self.octets, least=1, unit="octets", whole=True)


Action: TypeAlias = (
    Reply
    | Raw
    | Repeat
    | NoReply
    | Delay
    | Drip
    | Throttle
    | Hide
    | Advertise
    | KeepInjected
    | Flight
    | Stall
    | Disconnect
    | Reset
)
"""What a rule may do."""

ACTIONS: Final[tuple[type, ...]] = (
    *(Reply, Raw, Repeat, NoReply, Delay, Drip, Throttle, Hide, Advertise, KeepInjected, Flight),
    *(Stall, Disconnect, Reset),
)
ENDS: Final = (Stall, Disconnect, Reset)
"""Behind one of these nothing can follow; nor behind a `Repeat` without end, see `ends`."""
EDITS: Final = (Hide, Advertise)
"""Those that stand at EHLO only."""


def ends(action: Action) -> bool:
    """Return whether nothing can follow an action."""
    return isinstance(action, ENDS) or (isinstance(action, Repeat) and action.times is None)


def edited(lines: list[str], edits: tuple[Hide | Advertise, ...]) -> list[str]:
    """Return the lines of an EHLO reply, the greeting first, after some edits."""
    for edit in edits:
        if isinstance(edit, Hide):
            lines = [lines[0], *(line for line in lines[1:] if re.split("[ =]", line)[0].upper() not in edit.keywords)]
        else:
            lines = [*lines, *edit.lines]
    return lines
