"""`JSONOutput`: the events of `smtpfix serve` as JSON, for other programs.

Never has a password in what it prints, nor a message's content.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, TextIO

from smtpfix.policy.scenario import Scenario
from smtpfix.record.facts import session_facts, sound_json, violation_facts
from smtpfix.record.session import Session
from smtpfix.record.transcript import Kind

from .events import (
    Listening,
    MessageCaptured,
    RulesEvent,
    RulesRead,
    RulesRejected,
    Said,
    ServeEvent,
    SessionEnded,
    SessionStarted,
    Started,
    Stopped,
    WorkerDied,
)

_SIDES: Final = {Kind.SERVER: "server", Kind.NOTE: "note", Kind.CONTENT: "content"}
"""Who says an event, for programs; all else is the client's."""


class JSONOutput:
    """Prints one JSON object a line; docs/serve.md has the keys."""

    def __init__(self, stream: TextIO, worker: int | None = None) -> None:
        """Begin; where several processes serve, with the number of this one."""
        self._stream = stream
        self._own = {} if worker is None else {"worker": worker}

    def show(self, event: ServeEvent) -> None:
        """Print and flush one event."""
        own = self._own if isinstance(event, SessionStarted | MessageCaptured | SessionEnded | Said) else {}
        for item in _objects(event):
            # ASCII, whatever the stream's encoding is, and nothing that a terminal would obey.
            self._stream.write(json.dumps(sound_json({**item, **own})) + "\n")
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
            if event.workers > 1:
                yield {"event": "workers", "workers": event.workers}
            if event.loop is not None:
                yield {"event": "loop", "loop": event.loop}
        case WorkerDied(worker, status, successor, at):
            died = {"worker": worker, "status": status, "successor": successor, "at": at.isoformat()}
            yield {"event": "worker-died", **died}
        case RulesRead() | RulesRejected():
            yield _rules(event)
        case SessionStarted(server, session):
            yield {"event": "session-started", **_whose(server, session), "started": session.started.isoformat()}
        case Said():
            yield _said(event)
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
                "unused_rules": event.unused_rules,
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
        "protocol": server.policy.spoken,
        "mode": server.policy.mode,
        "host": server.host,
        "port": server.port,
        "addresses": server.addresses,
        "connect": server.connect or server.hostname or server.host,
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


def _said(event: Said) -> dict[str, Any]:
    return {
        "event": "said",
        "server": event.server,
        "session": event.session,
        "at": event.at.isoformat(),
        "by": _SIDES.get(event.event.kind, "client"),
        "lines": event.event.lines,
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
        "refused_recipients": [recipient.address for recipient in message.refused_recipients],
        "reply": None if message.reply is None else str(message.reply),
        "violations": violation_facts(message.violations),
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
