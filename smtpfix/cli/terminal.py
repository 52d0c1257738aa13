"""Events on the terminal: coloured, or plain in a pipe, and harmless whatever a client sent.

The only importer of rich. Text from the wire passes through `printable` and is never read as rich's markup.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final, TextIO, TypeAlias, TypeVar

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from smtpfix.login.names import ANY_USER
from smtpfix.mail.message import CapturedMessage
from smtpfix.policy.mode import Mode
from smtpfix.policy.scenario import OUTCOMES, Scenario
from smtpfix.record.session import AuthAttempt
from smtpfix.record.session_end import SessionEnd
from smtpfix.record.transcript import Kind
from smtpfix.record.violation import Violation
from smtpfix.safe_text import printable
from smtpfix.smtp.policy import Policy
from smtpfix.tls.client_hello import ClientHello

from .events import (
    Listening,
    MessageCaptured,
    Reason,
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

_GOOD: Final = "green"
_CAREFUL: Final = "yellow"
_BAD: Final = "bold red"
_ASIDE: Final = "dim"

_LABEL_WIDTH: Final = len("implicit-tls #999")
_LISTED: Final = 3
"""Recipients, users or AUTH commands shown one by one."""
_SUBJECT_SHOWN: Final = 78
_LINKS: Final = 10
_LINES: Final = 200
_LONGEST: Final = 2_000
"""Links of a message, lines of its text, and characters of each, that are shown."""
_SHORT_COLUMN: Final = 26
"""Characters that a table's cell may have and not wrap."""

_TLS_BEGINS: Final = {
    Mode.PLAIN: "never",
    Mode.STARTTLS: "when the client asks for it (STARTTLS)",
    Mode.TLS_REQUIRED: "before anything else (STARTTLS)",
    Mode.IMPLICIT_TLS: "from the first octet",
}

_USUAL: Final = Policy()

_GOODBYE: Final = {
    Reason.ENOUGH: "the messages asked for have come",
    Reason.TIMEOUT: "the time is up",
    Reason.INTERRUPTED: "interrupted",
    Reason.TERMINATED: "terminated",
    Reason.OUTPUT_CLOSED: "nobody reads on",
    Reason.FAILED: "it cannot go on",
}

_SIDES: Final = {Kind.SERVER: ("S:", _ASIDE), Kind.NOTE: ("--", _CAREFUL)}
"""How an event of a conversation is shown; all else is the client's."""

Fact: TypeAlias = tuple[str, str]
"""A text and its style."""


class Terminal:
    """Prints one line an event, and a table at the start."""

    def __init__(self, stream: TextIO, worker: int | None = None, *, shows_text: bool = False) -> None:
        """Begin; where several processes serve, with the number of this one."""
        self._mark = "#" if worker is None else f"#{worker}."
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a subject may not fit the terminal's encoding
        self._stream = stream
        self._console = _Console(file=stream, highlight=False, markup=False, emoji=False, soft_wrap=True)
        self._has_styles = self._console.is_terminal
        self._shows_text = shows_text

    def show(self, event: ServeEvent) -> None:
        """Print and flush one event."""
        match event:
            case Started():
                self.table(("MODE", "ADDRESS", "TLS BEGINS", "AUTH"), map(_row, event.servers))
                self._console.print(Text("\n").join(_banner(event)))
            case RulesRead() | RulesRejected():
                self._print(event.at, "rules", _rules_facts(event))
            case WorkerDied(worker, status, successor, at):
                facts = [(f"ENDED by {status}, with its sessions", _BAD), (f"worker {successor} takes its place", "")]
                self._print(at, f"worker {worker}", facts)
            case SessionStarted(server, session):
                address, port = session.client
                facts = [(f"connected from {_bracketed(address)}:{port}", _ASIDE)]
                self._print(session.started, f"{server} {self._mark}{session.number}", facts)
            case Said(server, session, at, said):
                side, style = _SIDES.get(said.kind, ("C:", ""))
                for line in said.lines:
                    self._print(at, f"{server} {self._mark}{session}", [(f"{side} {line}", style)])
            case MessageCaptured(server, _, message):
                self._print(message.received, f"{server} {self._mark}{message.session_number}", _message_facts(event))
                for line in (*_link_lines(message), *(_text_lines(message) if self._shows_text else ())):
                    self._print_line(line)  # as it is, so that a terminal that wraps it still knows the link
            case SessionEnded(server, session):
                ended = session.started + timedelta(seconds=session.duration)
                self._print(ended, f"{server} {self._mark}{session.number}", _session_facts(event))
            case Stopped():
                self._console.print(Text("\n").join(_goodbye(event)))

    def table(self, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Print a table, of which the longer columns wrap on a terminal."""
        cells = [[printable(cell) for cell in row] for row in rows]
        if self._has_styles:
            short = [max(map(len, column)) <= _SHORT_COLUMN for column in zip(heads, *cells, strict=True)]
            columns = [Column(head, no_wrap=is_short) for head, is_short in zip(heads, short, strict=True)]
            table = Table(*columns, box=None, pad_edge=False)
            for row in cells:
                table.add_row(*map(Text, row))
            self._console.print(table, soft_wrap=False)
        else:
            self.lines(_aligned([list(heads), *cells]))

    def lines(self, lines: Iterable[str]) -> None:
        """Print lines of text; those that are not indented stand out."""
        text = Text("\n").join(Text(line, style="" if line.startswith(" ") else "bold") for line in lines)
        self._console.print(text)

    def _print(self, at: datetime, label: str, facts: Iterable[Fact]) -> None:
        when, whose = f"{at.astimezone():%Y-%m-%d %H:%M:%S} ", f"{label.ljust(_LABEL_WIDTH)} "
        if not self._has_styles:
            self._write(f"{when}{whose}{'; '.join(text for text, _ in facts)}")
            return
        line = Table.grid(Column(no_wrap=True), Column(overflow="fold"))
        tail = Text("; ").join(Text(text, style) for text, style in facts)
        line.add_row(Text.assemble((when, _ASIDE), (whose, "cyan")), tail)
        self._console.print(line, soft_wrap=False)

    def _print_line(self, line: Text) -> None:
        if self._has_styles:
            self._console.print(line)
        else:
            self._write(line.plain)

    def _write(self, line: str) -> None:
        """Write a line as it is: rich would take ten times as long to find that it has no style."""
        self._stream.write(f"{line}\n")
        self._stream.flush()


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leave it to the caller: rich would exit at once, and lose what is still to be saved."""
        raise BrokenPipeError


# The start


def _banner(event: Started) -> Iterator[Text]:
    yield from _tls(event.servers[0].policy)
    yield from _scenarios(event)
    yield from _ca_files(event)
    if event.save is not None:
        yield Text.assemble("Messages and transcripts are saved in ", (str(event.save), "bold"))
    if event.web is not None:  # in the words that scripts wait for
        yield Text.assemble("[http] accessible via ", (event.web, "bold"))
    if event.workers > 1:
        yield Text(f"Workers: {event.workers}; #2.5 is the fifth session of worker 2")
    if event.loop is not None:
        yield Text(f"Event loop: {event.loop}")
    yield Text("Ctrl-C ends it.", style=_ASIDE)


def _tls(policy: Policy) -> Iterator[Text]:
    """Say what else differs from good TLS; all servers have it from the same options."""
    if (files := policy.certificate_files) is not None:
        yield Text.assemble("Certificate: ", (str(files[0]), "bold"))
    lowest, highest = policy.tls_min, policy.tls_max
    if (lowest, highest) != (_USUAL.tls_min, _USUAL.tls_max):
        yield Text(f"TLS versions: {f'{lowest} only' if lowest == highest else f'{lowest} to {highest}'}")


def _scenarios(event: Started) -> Iterator[Text]:
    for scenario in event.scenarios:
        yield Text.assemble("Scenario ", (scenario.id, "bold"), f": {printable(scenario.summary)}")
        yield expectation(scenario)
    if event.left_out:
        shown = " with ".join(scenario.id for scenario in event.scenarios)
        yield Text(f"Left out, for they cannot show {shown}: {', '.join(event.left_out)}", style=_CAREFUL)
    for name, servers in _grouped((server.connect, server) for server in event.servers if server.connect):
        addresses = dict.fromkeys(server.addresses[0] for server in servers)
        line = Text.assemble("Clients have to connect to ", (name, "bold"))
        yield line if name in addresses else line + Text(f", which has to lead them to {', '.join(addresses)}")


def expectation(scenario: Scenario) -> Text:
    """Return what a careful client does, and where the standard says so."""
    style = {"accept": _GOOD, "refuse": _BAD}.get(scenario.expected, _CAREFUL)
    return Text.assemble(
        "Expected: ",
        (scenario.expected, style),
        f", {OUTCOMES[scenario.expected]} ({printable(scenario.standard)})",
    )


def _ca_files(event: Started) -> Iterator[Text]:
    """Say what to trust: the authority's root, and what else a scenario asks for."""
    groups = _grouped((server.ca_file, server) for server in event.servers if server.ca_file is not None)
    if event.ca_file is not None and not groups:
        groups = [(event.ca_file, ())]
    for file, servers in groups:
        whose = f" of {', '.join(server.name for server in servers)}" if len(groups) > 1 else ""
        if file != event.ca_file:
            kept = "this scenario's own, new in each run"
        else:
            kept = "kept for later runs" if event.ca_is_kept else "new in each run; --authority DIR keeps it"
        yield Text.assemble(f"CA file for clients{whose} to trust: ", (str(file), "bold"), (f" ({kept})", _ASIDE))


_Key = TypeVar("_Key")


def _grouped(pairs: Iterable[tuple[_Key, Listening]]) -> list[tuple[_Key, tuple[Listening, ...]]]:
    """Put the servers together that have something in common."""
    groups: dict[_Key, list[Listening]] = {}
    for key, server in pairs:
        groups.setdefault(key, []).append(server)
    return [(key, tuple(servers)) for key, servers in groups.items()]


def _row(server: Listening) -> tuple[str, str, str, str]:
    policy = server.policy
    address = server.host if policy.unix_socket is not None else f"{_bracketed(policy.host)}:{server.port}"
    return server.name, address, _TLS_BEGINS[Mode(policy.mode)], _auth_policy(policy)


def _auth_policy(policy: Policy) -> str:
    if not policy.has_auth or policy.users is None:
        return "not offered"
    if callable(policy.users):
        who = "whom a function lets in"
    else:
        who = "any user" if policy.users is ANY_USER else _listed([printable(name) for name in policy.users])
    where = "in clear" if policy.allows_auth(in_tls=False) else "in TLS only"
    is_required = policy.reads_mail or policy.require_auth
    return f"{who}, {where}{', required' if is_required else ''}"


# The file of rules


def _rules_facts(event: RulesEvent) -> Iterator[Fact]:
    rules = f"{event.rules} rule{'' if event.rules == 1 else 's'}"
    if isinstance(event, RulesRead):
        yield f"{rules} read from {printable(str(event.file))}", _GOOD
    else:
        yield f"NOT READ: {printable(event.error)}", _BAD
        yield f"the {rules} read before stay in force", ""


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
    elif message.refused_recipients:
        refused = _listed([f"<{printable(recipient)}>" for recipient, _ in message.refused_recipients])
        yield f"NOT ACCEPTED for {refused}", _BAD
    yield from _violation_facts(message.violations)
    if event.path is not None:
        yield f"saved as {event.path.name}", _ASIDE


def _link_lines(message: CapturedMessage) -> Iterator[Text]:
    links = message.links
    for link in links[:_LINKS]:
        yield Text.assemble(("  link ", _ASIDE), _clipped(link))
    if len(links) > _LINKS:
        yield Text(f"  and {len(links) - _LINKS} more links", style=_ASIDE)


def _text_lines(message: CapturedMessage) -> Iterator[Text]:
    """Yield the plain text; where there is none, say what there is instead."""
    lines = message.text.rstrip("\n").split("\n") if message.text else []
    if not lines:
        yield Text(f"  no plain text{', but HTML' if message.html else ''}", style=_ASIDE)
    for line in lines[:_LINES]:
        yield Text.assemble(("  | ", _ASIDE), _clipped(line))
    if len(lines) > _LINES:
        yield Text(f"  and {len(lines) - _LINES} more lines", style=_ASIDE)


def _clipped(text: str) -> str:
    return f"{printable(text[:_LONGEST])}{'…' if len(text) > _LONGEST else ''}"


def _subject(message: CapturedMessage) -> str:
    text = message.subject
    return f'"{printable(text[:_SUBJECT_SHOWN])}{"…" if len(text) > _SUBJECT_SHOWN else ""}"'


# A session


def _session_facts(event: SessionEnded) -> Iterator[Fact]:
    session = event.session
    name = f", calls itself {printable(session.client_name)}" if session.client_name is not None else ""
    yield f"ended{name}", _ASIDE
    if session.client != session.peer:
        client = f"{_bracketed(session.client[0])}:{session.client[1]}"
        yield f"client {client}, forwarded by {_bracketed(session.peer[0])}", ""
    if session.tls_failure is not None:
        yield printable(session.tls_failure.reason), _BAD
    elif session.tls is not None:
        yield f"{session.tls.version} by {session.tls.started_by}", _GOOD
        if session.tls.client_name is not None:
            yield f"client certificate {printable(session.tls.client_name)}", _GOOD
    else:
        yield "in clear", _CAREFUL
    if session.client_hello is not None:
        yield _offer(session.client_hello), _ASIDE
    if session.injected:
        yield f"{len(session.injected)} octets injected after STARTTLS, thrown away", _BAD
    yield from map(_auth_fact, session.auth[:_LISTED])
    if len(session.auth) > _LISTED:
        yield f"and {len(session.auth) - _LISTED} more AUTH commands", _CAREFUL
    yield session.work, "bold"
    if (refused := session.refusal) is not None:
        yield f"refused with {refused!r}", _BAD
    yield from _violation_facts(session.violations)
    if session.end is not None and not (session.tls_failure and session.end is SessionEnd.HANDSHAKE_FAILED):
        yield session.end, "" if session.end is SessionEnd.QUIT else _CAREFUL
    if event.path is not None:
        yield f"transcript {event.path.name}", _ASIDE


def _offer(hello: ClientHello) -> str:
    """Return what a client offered in its TLS handshake."""
    name = "no server name" if hello.server_name is None else f"server name {printable(hello.server_name)}"
    count = f"{len(hello.ciphers)} cipher suite{'' if len(hello.ciphers) == 1 else 's'}"
    offered = [", ".join(hello.versions) or "no TLS version", name, count]
    offered += [f"ALPN {printable(', '.join(hello.alpn[:_LISTED]))}"] if hello.alpn else []
    return f"offered {', '.join(offered)}"


def _violation_facts(violations: Sequence[Violation]) -> Iterator[Fact]:
    if violations:
        ids = dict.fromkeys(violation.id for violation in violations)
        yield f"against the standards: {_listed(list(ids))}", _CAREFUL


def _auth_fact(attempt: AuthAttempt) -> Fact:
    if attempt.in_clear and attempt.secret is not None:
        return f"{'PASSWORD' if attempt.token is None else 'TOKEN'} IN CLEAR: AUTH {attempt}", _BAD
    return f"AUTH {attempt}", _GOOD if attempt.accepted and not attempt.in_clear else _CAREFUL


# The end


def _goodbye(event: Stopped) -> Iterator[Text]:
    for rule in event.unused_rules:
        yield Text.assemble("This rule never answered: ", (printable(rule), _CAREFUL))
    messages = f"{event.messages} message{'' if event.messages == 1 else 's'}"
    sessions = f"{event.sessions} session{'' if event.sessions == 1 else 's'}"
    yield Text(f"Stopped, {_GOODBYE[event.reason]}: {messages} in {sessions}.", style="bold")


def _listed(items: list[str]) -> str:
    more = f" and {len(items) - _LISTED} more" if len(items) > _LISTED else ""
    return ", ".join(items[:_LISTED]) + more


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
