"""What happens while `smtpfix serve` runs, as values, and each as JSON for other programs.

Never has a password in what it prints, nor a message's content.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Protocol, TextIO, TypeAlias

from smtpfix.mail.message import CapturedMessage
from smtpfix.policy.mode import Mode
from smtpfix.policy.scenario import Scenario
from smtpfix.record.facts import session_facts, sound_json
from smtpfix.record.session import Session
from smtpfix.smtp.policy import Policy


@dataclass(frozen=True, slots=True)
class Listening:
    """One server that has started."""

    name: str
    """Its mode; with a number behind it where several servers have the same: ``plain``, ``plain-2``."""
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


ClientEvent: TypeAlias = SessionStarted | MessageCaptured | SessionEnded
RulesEvent: TypeAlias = RulesRead | RulesRejected
ServeEvent: TypeAlias = Started | RulesEvent | ClientEvent | Stopped


_EVENT: Final = 200
"""Octets of memory that an event, or one of a transcript's, takes beside what it holds."""


def weight(event: ServeEvent) -> int:
    """Return about how many octets of memory an event takes while it waits to be shown."""
    match event:
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


class JSONOutput:
    """Prints one JSON object a line; docs/serve.md has the keys."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def show(self, event: ServeEvent) -> None:
        """Print and flush one event."""
        for item in _objects(event):
            # ASCII, whatever the stream's encoding is, and nothing that a terminal would obey.
            self._stream.write(json.dumps(sound_json(item)) + "\n")
        self._stream.flush()


def _objects(event: ServeEvent) -> Iterator[dict[str, Any]]:
    match event:
        case Started():
            for server in event.servers:
                yield _listening(server, server.ca_file or event.ca_file)
            for scenario in event.scenarios:
                yield {"event": "scenario", **scenario_object(scenario)}
            for mode in event.left_out:
                yield {"event": "left-out", "mode": mode}
            if event.web is not None:
                yield {"event": "web", "url": event.web}
        case RulesRead() | RulesRejected():
            yield _rules(event)
        case SessionStarted(server, session):
            yield {"event": "session-started", **_whose(server, session), "started": session.started.isoformat()}
        case MessageCaptured():
            yield _message(event)
        case SessionEnded():
            yield _session_ended(event)
        case Stopped():
            yield {
                "event": "stopped",
                "reason": event.reason,
                "messages": event.messages,
                "sessions": event.sessions,
            }


def scenario_object(scenario: Scenario) -> dict[str, Any]:
    """Return what is known of a scenario before anything is issued, as JSON has it."""
    return {
        "id": scenario.id,
        "group": scenario.group,
        "summary": scenario.summary,
        "expected": scenario.expected,
        "standard": scenario.standard,
        "modes": scenario.modes,
    }


def _listening(server: Listening, ca_file: Path | None) -> dict[str, Any]:
    return {
        "event": "listening",
        "server": server.name,
        "mode": server.policy.mode,
        "host": server.host,
        "port": server.port,
        "addresses": server.addresses,
        "connect": server.connect or server.host,
        "ca_file": _path(ca_file),
    }


def _rules(event: RulesEvent) -> dict[str, Any]:
    outcome = {"event": "rules-read"} if isinstance(event, RulesRead) else {"event": "rules-rejected"}
    error = {} if isinstance(event, RulesRead) else {"error": event.error}
    return {**outcome, "file": str(event.file), "rules": event.rules, "at": event.at.isoformat(), **error}


def _whose(server: str, session: Session) -> dict[str, Any]:
    return {
        "server": server,
        "mode": session.mode,
        "session": session.number,
        "client": session.client[0],
        "client_port": session.client[1],
    }


def _message(event: MessageCaptured) -> dict[str, Any]:
    message = event.message
    return {
        "event": "message",
        "server": event.server,
        "mode": event.mode,
        "session": message.session_number,
        "number": message.number,
        "received": message.received.isoformat(),
        "reverse_path": message.reverse_path,
        "recipients": message.to,
        "subject": message.subject,
        "size": message.size,
        "in_tls": message.in_tls,
        "user": message.user,
        "accepted": message.accepted,
        "refused_recipients": message.refused_recipients,
        "reply": None if message.reply is None else str(message.reply),
        "path": _path(event.path),
    }


def _session_ended(event: SessionEnded) -> dict[str, Any]:
    session = event.session
    return {
        "event": "session-ended",
        **_whose(event.server, session),
        **session_facts(session),
        "path": _path(event.path),
    }


def _path(path: Path | None) -> str | None:
    return None if path is None else str(path)
