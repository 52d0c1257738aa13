"""Shows a person an audit while it runs, and what came of it: coloured on a terminal, plain in a pipe.

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
from smtpfix.audit.digest import NOTES, Block, blocks, broken, counts, family, heading, lines
from smtpfix.audit.report.words import without_secret
from smtpfix.audit.result import AuditResult, Declaration, Grade, Verdict
from smtpfix.safe_text import printable

_STYLES: Final = {
    Verdict.FAILED: "bold red",
    Verdict.CAPPED: "yellow",
    Verdict.LAX: "yellow",
    Verdict.NOT_RUN: "dim",
}
_GOOD: Final = (Grade.AUTHENTICATED, Grade.GAPS)
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
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, TimeRemainingColumn(), console=self._console, transient=True) as bar:
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
        """Print the report; what matters most comes last, where one looks."""
        if not self._console.is_terminal:
            for line in lines(result):
                self._line(line)
            return
        result = without_secret(result)
        self._console.print(Text(heading(result), style="bold"))
        for block in blocks(result):
            self._console.print()
            self._block(block)
        if result.notes:
            self._console.print()
            self._console.print(Text(f"{NOTES}:", style="bold"))
            for note in result.notes:
                self._console.print(Padding(Text(printable(note)), (0, 0, 0, 2)))
        self._console.print()
        self._console.print(Text(counts(result), style="dim"))
        for line in broken(result):
            self._console.print(Text(line, style="yellow"))
        for flag in result.flags:
            self._console.print(Text(f" {flag} ", style="bold white on red"))
        self._console.print(Text(printable(result.promise), style="green" if result.keeps_its_promise else "bold red"))
        self._console.print(Text(printable(result.worth), style="green" if result.grade in _GOOD else "bold yellow"))
        for reason in result.reasons:
            self._console.print(Padding(Text(printable(reason), style="dim"), (0, 0, 0, 2)))
        for line in family(result):
            self._console.print(Text(line))

    def show_changes(self, changed: Changes, result: AuditResult) -> None:
        """Print what changed since an earlier audit, and nothing else but how it compares with a family."""
        for line in (*str(changed).splitlines(), *family(result)):
            self._line(line)

    def _block(self, block: Block) -> None:
        self._console.print(Text.assemble((block.head, _STYLES[block.verdict]), "  ", block.meaning))
        if block.fix:
            self._console.print(Padding(Text.assemble(("Fix: ", "green"), block.fix), (0, 0, 0, 2)))
        rows = block.rows
        columns = [Column(no_wrap=True), Column(), Column(style="dim"), Column(overflow="fold")][: max(map(len, rows))]
        table = Table(*columns, box=None, show_header=False, pad_edge=True)
        for row in rows:
            table.add_row(*(Text(printable(cell)) for cell in row))
        self._console.print(table)
        if block.more:
            self._console.print(Padding(Text(block.more, style="dim"), (0, 0, 0, 2)))

    def _line(self, text: str) -> None:
        self._console.file.write(f"{text}\n")
        self._console.file.flush()
