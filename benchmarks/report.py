"""The report: for people in the terminal (the only importer of rich here), as Markdown, and as JSON."""

from __future__ import annotations

import json
import platform
import ssl
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from rich import box
from rich.console import Console
from rich.table import Table

from .processes import LOAD_CORES, SERVER_CORES
from .results import Grid, Results
from .tables import all_tables
from .targets import judge

_WIDTH: Final = 160
"""Columns where no terminal says."""


def machine() -> dict[str, str]:
    """Return what a reader has to know to compare; never a name of the machine."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "system": f"{platform.system()} {platform.release().partition('-')[0]}, {platform.machine()}",
        "processor": _processor(),
        "Python": platform.python_version(),
        "OpenSSL": ssl.OPENSSL_VERSION,
        "cores": (
            f"servers on core {sorted(SERVER_CORES)}, load on {sorted(LOAD_CORES)}"
            if SERVER_CORES
            else "servers and load share them: they cannot be kept apart here"
        ),
    }


def show(results: Results) -> None:
    """Print the tables."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)
    console.print(", ".join(f"{name}: {value}" for name, value in machine().items()), highlight=False)
    for grid in all_tables(results):
        table = Table(title=grid.title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
        for position, column in enumerate(grid.columns):
            table.add_column(column, justify="right" if position and _is_numbers(grid, position) else "left")
        for row in grid.rows:
            table.add_row(*row)
        console.print(table)
    for note in results.notes:
        console.print(note, highlight=False)


def markdown(results: Results) -> str:
    """Return the tables for docs/performance.md."""
    lines = [f"- {name}: {value}" for name, value in machine().items()]
    lines.append(f"- versions: {', '.join(f'{name} {version}' for name, version in results.versions.items())}")
    lines.append(f"- medians of {results.rounds} rounds after one warm-up")
    lines += [f"- {note}" for note in results.notes]
    for grid in all_tables(results):
        lines += ["", f"### {grid.title}", "", _row(grid.columns), _row(["---"] * len(grid.columns))]
        lines += [_row(row) for row in grid.rows]
    return "\n".join([*lines, ""])


def as_json(results: Results) -> str:
    """Return everything, every sample included."""
    document: dict[str, Any] = {
        "machine": machine(),
        "versions": results.versions,
        "rounds": results.rounds,
        "notes": results.notes,
        "figures": {
            key: {
                "unit": figure.unit,
                "more is better": figure.more_is_better,
                "medians": {who: figure.median(who) for who in figure.samples},
                "cpu seconds": {who: figure.cpu(who) for who in figure.samples},
                "samples": {who: [sample.value for sample in samples] for who, samples in figure.samples.items()},
                "missing": figure.missing,
            }
            for key, figure in results.figures.items()
        },
        "tables": {
            key: {"title": grid.title, "columns": grid.columns, "rows": grid.rows}
            for key, grid in results.grids.items()
        },
        "targets": [
            {
                "figure": verdict.target.figure,
                "who": verdict.target.who,
                "target": verdict.target.text,
                "value": verdict.value,
                "met": verdict.met,
                "why not measured": verdict.why_not,
            }
            for verdict in judge(results)
        ],
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _row(cells: Any) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def _is_numbers(grid: Grid, position: int) -> bool:
    return all(row[position][:1].isdigit() or row[position][:1] == "-" for row in grid.rows)


def _processor() -> str:
    if sys.platform == "linux":
        try:
            with Path("/proc/cpuinfo").open(encoding="utf-8") as file:
                names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
        except OSError:
            names = []
        if names:
            return f"{names[0]}, {len(names)} cores"
    return platform.processor() or "unknown"
