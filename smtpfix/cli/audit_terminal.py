"""An audit on the terminal, while it runs and when it has ended: coloured, or plain in a pipe.

Text from servers and clients passes through `printable` and is never read as rich's markup.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from typing import Final, TextIO

from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column, Table
from rich.text import Text

from smtpfix.audit.baseline import Changes
from smtpfix.audit.digest import (
    CHANGE,
    NOTES,
    Block,
    broken,
    changes,
    counts,
    family,
    heading,
    lines,
    others,
    statement,
    why,
)
from smtpfix.audit.report.words import DANGER, tone, without_secret
from smtpfix.audit.result import AuditResult, Declaration, Verdict
from smtpfix.safe_text import printable

_STYLES: Final = {
    Verdict.FAILED: "bold red",
    Verdict.CAPPED: "yellow",
    Verdict.LAX: "yellow",
    Verdict.NOT_RUN: "dim",
}
_TONES: Final = {Verdict.FAILED: "bold red", Verdict.PASSED: "bold green"}
"""How a grade looks; else yellow."""
_BAR: Final = 24
"""Columns of a terminal."""
_STEPS: Final = 4
"""How often a pipe is told how far it has come."""


class AuditTerminal:
    """Prints to one stream."""

    def __init__(self, stream: TextIO) -> None:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name may not fit the terminal's encoding
        self._console = Console(file=stream, highlight=False, markup=False, emoji=False)

    @contextlib.contextmanager
    def progress(self, client: str, declaration: Declaration) -> Iterator[Callable[[int, int, str], None]]:
        """Show how far it has come, and how long it will take: a bar on a terminal, a few lines elsewhere."""
        title = printable(f"Auditing {client}: {declaration.mode}, trust {declaration.trust}")
        if not self._console.is_terminal:
            yield self._plainly(title)
            return
        columns = (  # the name gets what is left, and not the other way round
            TextColumn(
                "{task.description}", markup=False, table_column=Column(ratio=1, overflow="ellipsis", no_wrap=True)
            ),
            BarColumn(_BAR, table_column=Column(min_width=_BAR)),
            MofNCompleteColumn(table_column=Column(no_wrap=True, min_width=len("100/100"))),
            TimeRemainingColumn(table_column=Column(no_wrap=True, min_width=len("0:00:00"))),
        )
        with Progress(*columns, console=self._console, transient=True, expand=True) as bar:
            task = bar.add_task(title, total=None)

            def advance(done: int, total: int, _scenario: str) -> None:
                bar.update(task, completed=done, total=total)

            yield advance

    def _plainly(self, title: str) -> Callable[[int, int, str], None]:
        self._line(title)
        shown = 0

        def advance(done: int, total: int, _scenario: str) -> None:
            nonlocal shown
            step = done * _STEPS // total
            if step > shown:
                shown = step
                self._line(f"{done} of {total} runs")

        return advance

    def show(self, result: AuditResult) -> None:
        """Print the report: what to change, then the grade, then the rest."""
        if not self._console.is_terminal:
            for line in lines(result):
                self._line(line)
            return
        result = without_secret(result)
        self._print(heading(result), style="bold")
        if told := broken(result):
            self._console.print()
            for line in told:
                self._print(line, style="yellow")
        if found := changes(result):
            self._console.print()
            self._print(CHANGE, style="bold underline")
            for number, block in enumerate(found, 1):
                self._change(f"{number}. ", block)
        self._console.print()
        self._print(statement(result), style=_TONES.get(tone(result), "bold yellow"))
        for reason in why(result):
            self._print(reason, indent=2)
        for flag in result.flags:
            self._print(Text.assemble((f" {flag} ", "bold white on red"), f" {DANGER[flag]}"), indent=2)
        for block in others(result):
            self._console.print()
            self._other(block)
        if result.notes:
            self._console.print()
            self._print(NOTES, style="bold")
            for note in result.notes:
                self._print(printable(note), indent=2)
        self._console.print()
        for line in family(result):
            self._print(line)
        self._print(counts(result), style="dim")

    def show_changes(self, changed: Changes, result: AuditResult) -> None:
        """Print what changed since an earlier audit, and nothing else but how it compares with a family."""
        for line in (*str(changed).splitlines(), *family(result)):
            self._line(line)

    def _change(self, number: str, block: Block) -> None:
        indent = len(number)
        grid = Table.grid(Column(no_wrap=True, style="bold"), Column(overflow="fold"), padding=(0, 0, 0, 1))
        grid.add_row(number.rstrip(), Text(block.meaning, style=_STYLES[block.verdict]))
        self._console.print(grid)
        self._print(Text.assemble(("Fix: ", "bold green"), (block.fix, "green")), indent=indent)
        self._print(block.needs, indent=indent)
        self._print(block.seen, style="dim", indent=indent)

    def _other(self, block: Block) -> None:
        meaning = f": {block.meaning}" if block.meaning else ""
        self._print(Text.assemble((block.head, _STYLES[block.verdict]), meaning))
        if block.fix:
            self._print(Text.assemble(("Fix: ", "bold green"), (block.fix, "green")), indent=2)
        if block.seen:
            self._print(block.seen, style="dim", indent=2)
        if block.rows:
            table = Table.grid(Column(no_wrap=True), Column(overflow="fold"), padding=(0, 2, 0, 0))
            for scenario, did, *more in block.rows:
                standard = (f"  {more[0]}", "dim") if more else ""
                fix = f"\nFix: {more[1]}" if len(more) > 1 else ""
                table.add_row(Text(scenario), Text.assemble(did, standard, (fix, "green")))
            self._console.print(Padding(table, (0, 0, 0, 2)))

    def _print(self, text: str | Text, *, style: str = "", indent: int = 0) -> None:
        self._console.print(Padding(Text(text, style=style) if isinstance(text, str) else text, (0, 0, 0, indent)))

    def _line(self, text: str) -> None:
        self._console.file.write(f"{text}\n")
        self._console.file.flush()
