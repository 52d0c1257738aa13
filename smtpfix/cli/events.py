"""The events of `smtpfix serve`, as values; `json_output` and `terminal` show them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Final, Protocol, TypeAlias

from smtpfix.mail.message import CapturedMessage
from smtpfix.policy.mode import Mode
from smtpfix.policy.scenario import Scenario
from smtpfix.record.session import Session
from smtpfix.record.transcript import Event
from smtpfix.smtp.policy import Policy


@dataclass(frozen=True, slots=True)
class Listening:
    """One server that has started."""

    name: str
    """Its mode; with a number after it where several servers have the same: ``plain``, ``plain-2``."""
    policy: Policy
    host: str
    """Where to connect to."""
    port: int
    addresses: tuple[str, ...]
    """The IP addresses it listens on."""
    connect: str | None = None
    """The name that clients have to connect to for the scenario to mean anything; None: `host`."""
    ca_file: Path | None = None
    """What a careful client of this server trusts; None where it knows no TLS."""
    hostname: str | None = None
    """What ``--hostname`` has clients connect to; None where it says nothing."""


@dataclass(frozen=True, slots=True)
class Started:
    """All servers have started."""

    servers: tuple[Listening, ...]
    ca_file: Path | None
    """The authority's root; None where no server knows TLS."""
    ca_is_kept: bool
    """Whether `ca_file` outlives this run."""
    save: Path | None
    """Where messages and transcripts are saved."""
    scenarios: tuple[Scenario, ...] = ()
    """What the servers show, where it was asked for."""
    left_out: tuple[Mode, ...] = ()
    """Modes that were asked for, and that cannot show `scenarios`."""
    web: str | None = None
    """Where mail is shown; None: nowhere."""
    loop: str | None = None
    """The event loop that the servers run on, ``asyncio`` or ``uvloop``; None where nobody wants to know."""
    workers: int = 1
    """Processes that serve."""


@dataclass(frozen=True, slots=True)
class RulesRead:
    """The file of rules has been read, and its rules are in force instead of those it had before."""

    file: Path
    rules: int
    """How many there are now."""
    at: datetime


@dataclass(frozen=True, slots=True)
class RulesRejected:
    """The file of rules could not be read, or not understood: the rules it had before stay in force."""

    file: Path
    rules: int
    """How many stay."""
    at: datetime
    error: str
    """What was expected and what came, with file, line and key."""


@dataclass(frozen=True, slots=True)
class SessionStarted:
    """A client has connected."""

    server: str
    """`Listening.name`."""
    session: Session


@dataclass(frozen=True, slots=True)
class MessageCaptured:
    """A message came whole."""

    server: str
    """`Listening.name`."""
    mode: Mode
    message: CapturedMessage
    path: Path | None = None
    """Where it was saved."""


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """A client is gone."""

    server: str
    """`Listening.name`."""
    session: Session
    path: Path | None = None
    """Where its transcript was saved."""


@dataclass(frozen=True, slots=True)
class Said:
    """Client or server said something, or something happened beside that; told where ``--verbose`` asks for it."""

    server: str
    """`Listening.name`."""
    session: int
    """`Session.number`."""
    at: datetime
    event: Event


@dataclass(frozen=True, slots=True)
class WorkerDied:
    """A process that served is gone, with the sessions it had; another one has taken its place."""

    worker: int
    """Its number; no other one has it."""
    status: str
    """What ended it: a signal's name, or ``status 1``."""
    successor: int
    """The number of the one in its place."""
    at: datetime


class Reason(StrEnum):
    """Why it ends."""

    ENOUGH = "exit-after"
    """The messages asked for have come."""
    TIMEOUT = "timeout"
    """The time is up."""
    INTERRUPTED = "SIGINT"
    """Ctrl-C."""
    TERMINATED = "SIGTERM"
    OUTPUT_CLOSED = "output closed"
    """Nobody reads what it prints any more."""
    FAILED = "failed"
    """It cannot go on."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """All servers have been closed, and everything has been shown and saved."""

    reason: Reason
    messages: int
    """Accepted messages."""
    sessions: int
    unused_rules: tuple[str, ...] = ()
    """The rules that were asked for and never answered, as they were written."""


ClientEvent: TypeAlias = SessionStarted | MessageCaptured | SessionEnded | Said
RulesEvent: TypeAlias = RulesRead | RulesRejected
ServeEvent: TypeAlias = Started | RulesEvent | ClientEvent | WorkerDied | Stopped


_EVENT: Final = 200
"""Octets of memory that an event, or one of a transcript's, takes beside what it holds."""


def weight(event: ServeEvent) -> int:
    """Return about how many octets of memory an event takes while it waits to be shown."""
    match event:
        case Said(event=said):
            return _EVENT + len(said.data)
        case MessageCaptured(message=message):
            return _EVENT + message.weight
        case SessionStarted(session=session) | SessionEnded(session=session):
            return _EVENT + sum(_EVENT + len(one.data) for one in session.transcript)
        case _:
            return _EVENT


class Output(Protocol):
    """Shows events, each at once."""

    def show(self, event: ServeEvent) -> None:
        """Show one event. Raises `OSError` where it cannot be written."""
