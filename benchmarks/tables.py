"""Results as tables, the same for the terminal and for Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from . import dovecot, pages
from .peers import ALONE, BASE, BEFORE, IN_C, STOCK, SUBJECT
from .results import Figure, Grid, Results
from .targets import Target, judge

_TITLES: Final = {
    "sink": "Sink throughput",
    "size": "Throughput at every message size",
    "tls": "Sessions with one message each: in clear, STARTTLS, implicit TLS",
    "send": "What smtplib's caller waits for: `sendmail` on an open connection, and the whole with connecting",
    "fixture": "Fixture: milliseconds a test pays over an empty one",
    "start": "Start and stop of a server",
    "import": "Imports, and the start of pytest",
    "memory": "Memory",
    "handshake": "TLS handshakes",
    "reading": "Reading over IMAP and POP3",
    "intake": "Mail that is taken, stored and shown",
    "web": "The page and the APIs",
    "audit": "Audit of smtplib, on two cores",
}
_CPU: Final = {"audit": "CPU, µs a scenario"}
"""What CPU is counted, where it is not the server's for each unit of the figure."""
_BASES: Final = (BASE, STOCK, "smtpdfix", dovecot.NAME, pages.MAILDEV, ALONE, IN_C)
_LISTED: Final = ("import", "handshake")
"""What has other contestants in each figure, so that each is a table."""
_NONE: Final = "-"


def number(value: float | None) -> str:
    """Return three significant digits, and no exponent."""
    if value is None:
        return _NONE
    if value == 0:
        return "0"
    if abs(value) >= 100:  # noqa: PLR2004 - three digits before the point
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 0.001 else f"{value:.4f}"  # noqa: PLR2004 - as above


def all_tables(results: Results) -> list[Grid]:
    """Return every table there is something for."""
    tables = []
    targets = _target_table(results)
    if targets.rows:
        tables.append(targets)
    for prefix, title in _TITLES.items():
        figures = [figure for key, figure in results.figures.items() if key.partition("/")[0] == prefix]
        if prefix in _LISTED:
            tables += [_list(title, figure) for figure in figures if figure.samples]
        elif figures:
            tables.append(_contest(prefix, title, figures))
            counted = [figure for figure in figures if any(figure.cpu(who) is not None for who in figure.samples)]
            if counted:
                tables.append(_cpu(prefix, title, counted))
    tables += results.grids.values()
    missing = _missing(results)
    if missing.rows:
        tables.append(missing)
    return tables


def base_of(figure: Figure) -> str | None:
    """Return whom a figure's ratios refer to: the project as it was, where that takes part."""
    before = (who for who in figure.samples if who.startswith(BEFORE))
    return next(before, None) or next((who for who in _BASES if who in figure.samples), None)


def _contest(prefix: str, title: str, figures: list[Figure]) -> Grid:
    who = _everybody(figures)
    rows = []
    for figure in figures:
        base = base_of(figure)
        cells = []
        for name in who:
            ratio = figure.ratio(name, base) if base else None
            cells.append(number(figure.median(name)) + (f" ({ratio:.2f})" if ratio is not None else ""))
        rows.append((f"{figure.key.partition('/')[2]}, {figure.unit}", *cells))
    bases = dict.fromkeys(base for figure in figures if (base := base_of(figure)))
    if bases:
        title += f" (in brackets: ratio to {' or '.join(bases)})"
    return Grid(prefix, title, ("", *who), tuple(rows))


def _cpu(prefix: str, title: str, figures: list[Figure]) -> Grid:
    who = _everybody(figures)
    rows = []
    for figure in figures:
        base = base_of(figure)
        cells = []
        for name in who:
            cpu = figure.cpu(name)
            ratio = figure.cpu_ratio(name, base) if base else None
            bracket = f" ({ratio:.2f})" if ratio is not None else ""
            cells.append(number(None if cpu is None else cpu * 1e6) + bracket)
        rows.append((figure.key.partition("/")[2], *cells))
    counted = _CPU.get(prefix, "the server's CPU, µs each")
    return Grid(f"{prefix}/cpu", f"{title}: {counted}, and its ratio", ("", *who), tuple(rows))


def _list(title: str, figure: Figure) -> Grid:
    rows = []
    base = base_of(figure)
    name = figure.key.partition("/")[2]
    for who in figure.samples:
        ratio = figure.ratio(who, base) if base else None
        bracket = f" ({ratio:.2f})" if ratio is not None else ""
        spread = figure.spread(who)
        rows.append((who, number(figure.median(who)) + bracket, _NONE if spread is None else f"{abs(spread):.0%}"))
    title = f"{title}: {name}" + (f" (in brackets: ratio to {base})" if base else "")
    return Grid(figure.key, title, (name, figure.unit, "middle half's width"), tuple(rows))


def _target_table(results: Results) -> Grid:
    rows = []
    for verdict in judge(results):
        said = {True: "met", False: "NOT MET", None: f"not measured: {verdict.why_not}"}[verdict.met]
        rows.append((_whose(verdict.target), verdict.target.text, number(verdict.value), said))
    return Grid("targets", "Targets", ("figure", "target", "smtpfix", ""), tuple(rows))


def _whose(target: Target) -> str:
    return target.figure if target.who == SUBJECT else f"{target.figure}: {target.who}"


def _missing(results: Results) -> Grid:
    reasons: dict[tuple[str, str], list[str]] = {}
    for figure in results.figures.values():
        for who, why in figure.missing.items():
            reasons.setdefault((who, why), []).append(figure.key)
    rows = [(who, why, _shorten(keys)) for (who, why), keys in sorted(reasons.items())]
    return Grid("missing", "Not available", ("who", "why", "where"), tuple(rows))


def _shorten(keys: list[str]) -> str:
    return "; ".join(keys[:3]) + (f"; and {len(keys) - 3} more" if len(keys) > 3 else "")  # noqa: PLR2004 - three


def _everybody(figures: Iterable[Figure]) -> list[str]:
    return list(dict.fromkeys(who for figure in figures for who in figure.samples))
