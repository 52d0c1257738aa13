"""The actions that rules have in every protocol, as values: `Delay`, `Raw`, `Disconnect` and others.

This module knows what each action means and how text writes it; a `Performance` applies it to a connection.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from smtpfix.errors import InvalidValueError

from .action import Action, Answer, Performance
from .notation import NUMBER, QUOTED, Form, number, octets, quoted
from .stages import HANDSHAKE


def check_number(field: str, value: object, *, least: float, unit: str, whole: bool = False) -> None:
    """Raise `InvalidValueError` unless the value of a field is a number of this unit, and at least `least`."""
    kinds = int if whole else int | float
    if isinstance(value, bool) or not isinstance(value, kinds) or not value >= least:
        what = "whole number" if whole else "number"
        raise InvalidValueError(field, value, f"a {what} of {unit}, {least:g} or more")


MOST_REPEATED: Final = 67_108_864
"""The limit on the octets of a `Repeat` that has an end."""


@dataclass(frozen=True, slots=True)
class Raw(Action):
    r"""Send these octets as they are, instead of a reply: ``Raw(b"250 OK\n")``, ``Raw(b"250-more\r\n" * 1000)``.

    The server adds nothing, not even a CRLF. The command has no effect, unless `performs` is True:
    ``Raw(b"220 go\r\n250 injected\r\n", performs=True)`` at STARTTLS begins TLS. Raises `InvalidValueError`.
    """

    forms = (
        Form(
            r'raw "OCTETS" with \r, \n, \xNN and \\: sends this instead of a reply; the command has no effect',
            rf"raw\s+{QUOTED}",
            lambda match: Raw(octets(match[1])),
        ),
        Form(
            'answer "OCTETS": sends this instead of a reply; the command takes effect',
            rf"answer\s+{QUOTED}",
            lambda match: Raw(octets(match[1]), performs=True),
        ),
    )
    in_handshake = "sends other octets"

    octets: bytes
    """The octets to send."""
    performs: bool = False
    """Whether the command takes effect as usual."""

    def __post_init__(self) -> None:
        if not isinstance(self.octets, bytes):
            raise InvalidValueError("Raw.octets", self.octets, "octets, as bytes")
        if not isinstance(self.performs, bool):
            raise InvalidValueError("Raw.performs", self.performs, "True or False")

    def as_text(self) -> str:
        """Return the action as text, as rules are written."""
        return f"{'answer' if self.performs else 'raw'} {quoted(self.octets)}"

    def play(self, performance: Performance) -> bool:
        """Send the octets."""
        performance.send(self.octets, performs=self.performs)
        return True


@dataclass(frozen=True, slots=True)
class Repeat(Action):
    r"""Send these octets again and again, no faster than the client reads: ``Repeat(b"250-more\r\n")``.

    With `times`, the server sends them that often, and the next action of the rule follows. Without it, the server
    sends until the client leaves or the policy's `timeout` is over, and discards what the client says. As with `Raw`,
    the command has no effect. Raises `InvalidValueError`.
    """

    forms = (
        Form(
            'repeat [TIMES] "OCTETS": sends this TIMES times, or without TIMES until the client leaves',
            rf"repeat\s+(?:([0-9]{{1,9}})\s+)?{QUOTED}",
            lambda match: Repeat(octets(match[2]), int(match[1]) if match[1] else None),
        ),
    )
    in_handshake = "sends other octets without end"

    octets: bytes
    """The octets to send each time."""
    times: int | None = None
    """How often to send them. None: until the client leaves."""

    def __post_init__(self) -> None:
        if not isinstance(self.octets, bytes) or not self.octets:
            raise InvalidValueError("Repeat.octets", self.octets, "octets, as bytes, one or more")
        if self.times is not None:
            check_number("Repeat.times", self.times, least=1, unit="times", whole=True)
            if self.times * len(self.octets) > MOST_REPEATED:
                most = f"no more than {MOST_REPEATED} octets in all, or None for no end"
                raise InvalidValueError("Repeat.times", self.times, most)

    @property
    def ends(self) -> bool:
        """Whether the repetition has no end, so no other action can follow."""
        return self.times is None

    def as_text(self) -> str:
        """Return the action as text, as rules are written."""
        return f"repeat {quoted(self.octets)}" if self.times is None else f"repeat {self.times} {quoted(self.octets)}"

    def play(self, performance: Performance) -> bool:
        """Send the octets; without end nothing follows."""
        performance.send_repeatedly(self.octets, self.times)
        return self.times is not None


@dataclass(frozen=True, slots=True)
class NoReply(Action):
    """Perform the command, but send no reply, and go on with the next command."""

    forms = (
        Form("no reply: the command takes effect, but the client gets no reply", r"no\s+reply", lambda _: NoReply()),
    )
    stands_for_answer = True

    def as_text(self) -> str:
        """Return the action as text, as rules are written."""
        return "no reply"

    def play(self, performance: Performance) -> bool:
        """Perform the command."""
        performance.perform_silently()
        return True


@dataclass(frozen=True, slots=True)
class Delay(Action):
    """Wait some seconds, then go on. Commands that arrive meanwhile wait for their turn. Raises `InvalidValueError`."""

    forms = (Form("delay SECONDS: waits before the reply", rf"delay\s+{NUMBER}", lambda match: Delay(float(match[1]))),)

    seconds: float
    """How long to wait, in seconds."""

    def __post_init__(self) -> None:
        check_number("Delay.seconds", self.seconds, least=0, unit="seconds")

    def as_text(self) -> str:
        """Return the action as text, as rules are written."""
        return f"delay {number(self.seconds)}"

    def play(self, performance: Performance) -> bool:
        """Wait; the rest of the rule follows then."""
        performance.wait(self.seconds)
        return False


@dataclass(frozen=True, slots=True)
class Drip(Action):
    """From now on, send a few octets at a time on this connection, with pauses. Raises `InvalidValueError`."""

    forms = (
        Form(
            "drip OCTETS every SECONDS: from now on, sends this slowly",
            rf"drip\s+([0-9]+)\s+every\s+{NUMBER}",
            lambda match: Drip(int(match[1]), float(match[2])),
        ),
    )

    octets: int = 1
    """How many octets to send at a time."""
    every: float = 1.0
    """Seconds from one portion to the next."""

    def __post_init__(self) -> None:
        check_number("Drip.octets", self.octets, least=1, unit="octets", whole=True)
        check_number("Drip.every", self.every, least=0, unit="seconds")

    def as_text(self) -> str:
        """Return the action as text, as rules are written."""
        return f"drip {self.octets} every {number(self.every)}"

    def play(self, performance: Performance) -> bool:
        """Send slowly."""
        performance.send_slowly(self.octets, self.every)
        return True


@dataclass(frozen=True, slots=True)
class Throttle(Action):
    """From now on, read only so many octets per second on this connection. Raises `InvalidValueError`."""

    forms = (
        Form(
            "throttle OCTETS: from now on, reads at most this many octets a second",
            r"throttle\s+([0-9]+)",
            lambda match: Throttle(int(match[1])),
        ),
    )

    octets_per_second: int
    """How many octets to read per second, at most."""

    def __post_init__(self) -> None:
        check_number("Throttle.octets_per_second", self.octets_per_second, least=1, unit="octets", whole=True)

    def as_text(self) -> str:
        """Return the action as text, as rules are written."""
        return f"throttle {self.octets_per_second}"

    def play(self, performance: Performance) -> bool:
        """Read slowly."""
        performance.read_slowly(self.octets_per_second)
        return True


@dataclass(frozen=True, slots=True)
class KeepInjected(Action):
    """Treat what the client sent in clear after STARTTLS as commands inside TLS.

    Vulnerable servers do this (CVE-2011-0411); RFC 3207 section 4.2 requires them to discard it.
    """

    forms = (
        Form(
            "keep injected: treats what followed STARTTLS in clear as commands",
            r"keep\s+injected",
            lambda _: KeepInjected(),
        ),
    )
    stages = frozenset({"STARTTLS", "STLS"})

    def as_text(self) -> str:
        """Return the action as text, as rules are written."""
        return "keep injected"

    def play(self, performance: Performance) -> bool:
        """Keep it."""
        performance.keep_injected()
        return True


@dataclass(frozen=True, slots=True)
class Flight(Action):
    """Begin the TLS handshake, but stop after so many octets of the server's; then do the rule's next action.

    ``Flight(), Stall()`` never sends the server's Finished; ``Flight(600), Disconnect()`` breaks off inside a record;
    ``Flight(600), Delay(1)`` goes on after a second. Raises `InvalidValueError`.
    """

    forms = (
        Form(
            "flight [OCTETS]: stops the handshake after this many octets, or before Finished; then does what follows",
            r"flight(?:\s+([0-9]{1,9}))?",
            lambda match: Flight(int(match[1]) if match[1] else None),
        ),
    )
    stages = frozenset({HANDSHAKE})
    only_once = True

    octets: int | None = None
    """How many octets. None: everything before the record with the server's Finished (RFC 8446 section 4.4.4)."""

    def __post_init__(self) -> None:
        if self.octets is not None:
            check_number("Flight.octets", self.octets, least=1, unit="octets", whole=True)

    def as_text(self) -> str:
        """Return the action as text, as rules are written."""
        return "flight" if self.octets is None else f"flight {self.octets}"

    def play(self, performance: Performance) -> bool:
        """Shake hands; the rest of the rule follows then."""
        performance.break_into_flight(self.octets)
        return False


@dataclass(frozen=True, slots=True)
class Stall(Action):
    """Say nothing more, and discard what arrives, until the client leaves or the policy's `timeout` is over."""

    forms = (Form("stall: never answers again", "stall", lambda _: Stall()),)
    in_handshake = "says nothing more"

    @property
    def ends(self) -> bool:
        """True: no other action can follow."""
        return True

    def as_text(self) -> str:
        """Return the action as text, as rules are written."""
        return "stall"

    def play(self, performance: Performance) -> bool:
        """Fall silent."""
        performance.fall_silent()
        return False


@dataclass(frozen=True, slots=True)
class Disconnect(Action):
    """Close the connection without a reply; inside TLS with a close_notify, unless `notify` is False.

    Without a close_notify, the client cannot tell whether the server or an attacker ended the connection (RFC 8446
    section 6.1). Raises `InvalidValueError`.
    """

    forms = (
        Form("disconnect: closes the connection", "disconnect", lambda _: Disconnect()),
        Form(
            "truncate: closes the connection without TLS's close_notify", "truncate", lambda _: Disconnect(notify=False)
        ),
    )
    in_handshake = "closes the connection"

    notify: bool = True
    """Whether to send a close_notify first, inside TLS."""

    def __post_init__(self) -> None:
        if not isinstance(self.notify, bool):
            raise InvalidValueError("Disconnect.notify", self.notify, "True or False")

    @property
    def ends(self) -> bool:
        """True: no other action can follow."""
        return True

    def as_text(self) -> str:
        """Return the action as text, as rules are written."""
        return "disconnect" if self.notify else "truncate"

    def play(self, performance: Performance) -> bool:
        """Close."""
        performance.close(notify=self.notify)
        return False


@dataclass(frozen=True, slots=True)
class Reset(Action):
    """Break off the connection with a TCP reset (RFC 9293 section 3.5.2). Replies that are still unsent are lost."""

    forms = (Form("reset: ends the connection with a TCP reset", "reset", lambda _: Reset()),)
    in_handshake = "breaks the connection off"

    @property
    def ends(self) -> bool:
        """True: no other action can follow."""
        return True

    def as_text(self) -> str:
        """Return the action as text, as rules are written."""
        return "reset"

    def play(self, performance: Performance) -> bool:
        """Break off."""
        performance.reset()
        return False


COMMON: Final[tuple[type[Action], ...]] = tuple(
    kind
    for kind in globals().values()
    if isinstance(kind, type) and issubclass(kind, Action) and kind not in (Action, Answer)
)
"""Every action above."""
