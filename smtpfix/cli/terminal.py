"""Shows a person what clients do: coloured on a terminal, plain in a pipe, harmless whatever a client sent.

The only importer of rich. Text from the wire passes through `printable` and is never read as rich's markup.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final, TextIO, TypeAlias

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from smtpfix.message import CapturedMessage
from smtpfix.policy import Mode, Policy
from smtpfix.sasl import ANY_USER
from smtpfix.session import AuthAttempt, SessionEnd
from smtpfix.transcript import printable

from .events import (
    Listening,
    MessageCaptured,
    Reason,
    ServeEvent,
    SessionEnded,
    SessionStarted,
    Started,
    Stopped,
)

_GOOD: Final = "green"
_CAREFUL: Final = "yellow"
_BAD: Final = "bold red"
_ASIDE: Final = "dim"

_LABEL_WIDTH: Final = len("implicit-tls #999")
_LISTED: Final = 3
"""Recipients, users or AUTH commands shown one by one."""
_SUBJECT_SHOWN: Final = 78

_TLS_BEGINS: Final = {
    Mode.PLAIN: "never",
    Mode.STARTTLS: "when the client asks for it (STARTTLS)",
    Mode.TLS_REQUIRED: "before anything else (STARTTLS)",
    Mode.IMPLICIT_TLS: "from the first octet",
}

_GOODBYE: Final = {
    Reason.ENOUGH: "the messages asked for have come",
    Reason.TIMEOUT: "the time is up",
    Reason.INTERRUPTED: "interrupted",
    Reason.TERMINATED: "terminated",
    Reason.OUTPUT_CLOSED: "nobody reads on",
    Reason.FAILED: "it cannot go on",
}

Fact: TypeAlias = tuple[str, str]
"""A text and its style."""


class Terminal:
    """Prints one line an event, and a table at the start."""

    def __init__(self, stream: TextIO) -> None:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a subject may not fit the terminal's encoding
        self._console = _Console(file=stream, highlight=False, markup=False, emoji=False, soft_wrap=True)

    def show(self, event: ServeEvent) -> None:
        """Print and flush one event."""
        match event:
            case Started():
                self._console.print(Text("\n").join(_banner(event)))
            case SessionStarted(server, session):
                address, port = session.client
                facts = [(f"connected from {_bracketed(address)}:{port}", _ASIDE)]
                self._print(session.started, server, session.number, facts)
            case MessageCaptured(server, _, message):
                self._print(message.received, server, message.session_number, _message_facts(event))
            case SessionEnded(server, session):
                ended = session.started + timedelta(seconds=session.duration)
                self._print(ended, server, session.number, _session_facts(event))
            case Stopped():
                self._console.print(_goodbye(event))

    def _print(self, at: datetime, server: str, number: int, facts: Iterable[Fact]) -> None:
        label = f"{server} #{number}".ljust(_LABEL_WIDTH)
        head = Text.assemble((f"{at.astimezone():%H:%M:%S} ", _ASIDE), (f"{label} ", "cyan"))
        tail = Text("; ").join(Text(text, style) for text, style in facts)
        if self._console.is_terminal:
            line = Table.grid(Column(no_wrap=True), Column(overflow="fold"))
            line.add_row(head, tail)
            self._console.print(line, soft_wrap=False)
        else:
            self._console.print(head + tail)


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leave it to the caller: rich would exit at once, and lose what is still to be saved."""
        raise BrokenPipeError


# The start


def _banner(event: Started) -> Iterator[Text]:
    rows = [("MODE", "ADDRESS", "TLS BEGINS", "AUTH"), *(_row(server) for server in event.servers)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for number, row in enumerate(rows):
        cells = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield Text(cells.rstrip(), style="" if number else "bold")
    if event.ca_file is not None:
        kept = "kept for later runs" if event.ca_is_kept else "new in each run; --authority DIR keeps it"
        yield Text.assemble("CA file for clients to trust: ", (str(event.ca_file), "bold"), (f" ({kept})", _ASIDE))
    if event.save is not None:
        yield Text.assemble("Messages and transcripts are saved in ", (str(event.save), "bold"))
    yield Text("Ctrl-C ends it.", style=_ASIDE)


def _row(server: Listening) -> tuple[str, str, str, str]:
    policy = server.policy
    address = f"{_bracketed(policy.host)}:{server.port}"
    return server.name, address, _TLS_BEGINS[Mode(policy.mode)], _auth_policy(policy)


def _auth_policy(policy: Policy) -> str:
    if not policy.has("AUTH") or policy.users is None:
        return "not offered"
    who = "any user" if policy.users is ANY_USER else _listed([printable(name) for name in policy.users])
    where = "in clear" if policy.allows_auth(in_tls=False) else "in TLS only"
    return f"{who}, {where}{', required' if policy.require_auth else ''}"


# A message


def _message_facts(event: MessageCaptured) -> Iterator[Fact]:
    message = event.message
    to = _listed([f"<{printable(recipient)}>" for recipient in message.to])
    yield f"message {message.number} from <{printable(message.reverse_path)}> to {to}", "bold"
    yield f"subject {_subject(message)}", ""
    yield f"{message.size} octets", ""
    yield ("in TLS", _GOOD) if message.in_tls else ("in clear", _CAREFUL)
    if message.user is not None:
        yield f"logged in as {printable(message.user)!r}", ""
    if not message.accepted:
        reply = f"answered {printable(str(message.reply))!r}" if message.reply is not None else "not answered"
        yield f"NOT ACCEPTED: {reply}", _BAD
    if event.path is not None:
        yield f"saved as {event.path.name}", _ASIDE


def _subject(message: CapturedMessage) -> str:
    text = message.subject
    return f'"{printable(text[:_SUBJECT_SHOWN])}{"…" if len(text) > _SUBJECT_SHOWN else ""}"'


# A session


def _session_facts(event: SessionEnded) -> Iterator[Fact]:
    session = event.session
    name = f", calls itself {printable(session.client_name)}" if session.client_name is not None else ""
    yield f"ended{name}", _ASIDE
    if session.tls_failure is not None:
        yield printable(session.tls_failure.reason), _BAD
    elif session.tls is not None:
        yield f"{session.tls.version} by {session.tls.started_by}", _GOOD
        if session.tls.client_name is not None:
            yield f"client certificate {printable(session.tls.client_name)}", _GOOD
    else:
        yield "in clear", _CAREFUL
    if session.injected:
        yield f"{len(session.injected)} octets injected behind STARTTLS, thrown away", _BAD
    yield from map(_auth_fact, session.auth[:_LISTED])
    if len(session.auth) > _LISTED:
        yield f"and {len(session.auth) - _LISTED} more AUTH commands", _CAREFUL
    yield f"{session.message_count} message{'' if session.message_count == 1 else 's'}", "bold"
    if (refused := session.refusal) is not None:
        yield f"refused with {refused!r}", _BAD
    if session.end is not None and not (session.tls_failure and session.end is SessionEnd.HANDSHAKE_FAILED):
        yield session.end, "" if session.end is SessionEnd.QUIT else _CAREFUL
    if event.path is not None:
        yield f"transcript {event.path.name}", _ASIDE


def _auth_fact(attempt: AuthAttempt) -> Fact:
    if attempt.in_clear and attempt.password is not None:
        return f"PASSWORD IN CLEAR: AUTH {attempt}", _BAD
    return f"AUTH {attempt}", _GOOD if attempt.accepted and not attempt.in_clear else _CAREFUL


# The end


def _goodbye(event: Stopped) -> Text:
    messages = f"{event.messages} message{'' if event.messages == 1 else 's'}"
    sessions = f"{event.sessions} session{'' if event.sessions == 1 else 's'}"
    return Text(f"Stopped, {_GOODBYE[event.reason]}: {messages} in {sessions}.", style="bold")


def _listed(items: list[str]) -> str:
    more = f" and {len(items) - _LISTED} more" if len(items) > _LISTED else ""
    return ", ".join(items[:_LISTED]) + more


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
