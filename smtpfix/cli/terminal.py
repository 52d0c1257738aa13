"""Events on the terminal: coloured, or plain in a pipe, and harmless whatever a client sent.

The only importer of rich. Text from the wire passes through `printable` and is never read as rich's markup.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final, TextIO

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from smtpfix.record.transcript import Kind
from smtpfix.safe_text import printable

from .banner import HEADS, banner, goodbye, server_row
from .events import (
    MessageCaptured,
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
from .facts import link_lines, message_facts, rules_facts, session_facts, text_lines
from .styles import ASIDE, BAD, CAREFUL, PLAIN, STRONG, Fact, Line, bracketed

_LABEL_WIDTH: Final = len("implicit-tls #999")
_SHORT_COLUMN: Final = 26
"""Characters that a table's cell may have and not wrap."""

_SIDES: Final = {Kind.SERVER: ("S:", ASIDE), Kind.NOTE: ("--", CAREFUL)}
"""How an event of a conversation is shown; all else is the client's."""


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
                self.table(HEADS, map(server_row, event.servers))
                self._console.print(Text("\n").join(map(_text, banner(event))))
            case RulesRead() | RulesRejected():
                self._print(event.at, "rules", rules_facts(event))
            case WorkerDied(worker, status, successor, at):
                facts = [(f"ENDED by {status}, with its sessions", BAD), (f"worker {successor} takes its place", PLAIN)]
                self._print(at, f"worker {worker}", facts)
            case SessionStarted(server, session):
                address, port = session.client
                facts = [(f"connected from {bracketed(address)}:{port}", ASIDE)]
                self._print(session.started, f"{server} {self._mark}{session.number}", facts)
            case Said(server, session, at, said):
                side, style = _SIDES.get(said.kind, ("C:", PLAIN))
                for line in said.lines:
                    self._print(at, f"{server} {self._mark}{session}", [(f"{side} {line}", style)])
            case MessageCaptured(server, _, message):
                self._print(message.received, f"{server} {self._mark}{message.session_number}", message_facts(event))
                for line in (*link_lines(message), *(text_lines(message) if self._shows_text else ())):
                    self._print_line(line)  # as it is, so that a terminal that wraps it still knows the link
            case SessionEnded(server, session):
                ended = session.started + timedelta(seconds=session.duration)
                self._print(ended, f"{server} {self._mark}{session.number}", session_facts(event))
            case Stopped():
                self._console.print(Text("\n").join(map(_text, goodbye(event))))

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
        text = Text("\n").join(Text(line, style=PLAIN if line.startswith(" ") else STRONG) for line in lines)
        self._console.print(text)

    def _print(self, at: datetime, label: str, facts: Iterable[Fact]) -> None:
        when, whose = f"{at.astimezone():%Y-%m-%d %H:%M:%S} ", f"{label.ljust(_LABEL_WIDTH)} "
        if not self._has_styles:
            self._write(f"{when}{whose}{'; '.join(text for text, _ in facts)}")
            return
        line = Table.grid(Column(no_wrap=True), Column(overflow="fold"))
        tail = Text("; ").join(Text(text, style) for text, style in facts)
        line.add_row(Text.assemble((when, ASIDE), (whose, "cyan")), tail)
        self._console.print(line, soft_wrap=False)

    def _print_line(self, line: Line) -> None:
        if self._has_styles:
            self._console.print(_text(line))
        else:
            self._write("".join(text if isinstance(text, str) else text[0] for text in line))

    def _write(self, line: str) -> None:
        """Write a line as it is: rich would take ten times as long to find that it has no style."""
        self._stream.write(f"{line}\n")
        self._stream.flush()


def _text(line: Line) -> Text:
    return Text.assemble(*line)


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leave it to the caller: rich would exit at once, and lose what is still to be saved."""
        raise BrokenPipeError
