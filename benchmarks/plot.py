"""Two plots as SVG, written by hand: throughput against message size, and what a fixture costs in each mode.

Readable on light and on dark ground: everything has a middle lightness. Following the colour scheme of the reader's
system would not do: the page around the plot may have another.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final

from .peers import MODES, PEERS
from .results import Results
from .sink import SIZES
from .tables import base_of, number

_WIDTH: Final = 760
_HEIGHT: Final = 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 180, 48, 56
_COLOURS: Final = {
    "smtpfix": "#2f81f7",
    "aiosmtpd": "#d9730d",
    "smtpdfix": "#a371f7",
    "pytest-localserver": "#e5534b",
    "smtp-sink": "#8b949e",
    "raw": "#2da44e",
}
_STYLE: Final = (
    "text{font:13px system-ui,sans-serif;fill:#6e7781}.small{font-size:12px}"
    ".title{font-size:15px;font-weight:600}.grid{stroke:#8b949e;stroke-opacity:.3}"
)


@dataclass(frozen=True)
class _Axis:
    """A logarithmic axis from the decade below the least value to the one above the greatest."""

    low: float
    high: float
    start: float
    end: float

    @classmethod
    def around(cls, values: Sequence[float], start: float, end: float) -> _Axis:
        low = 10.0 ** math.floor(math.log10(min(values)))
        high = 10.0 ** math.ceil(math.log10(max(values)))
        return cls(low, high if high > low else low * 10, start, end)

    def at(self, value: float) -> float:
        """Return where a value stands."""
        share = (math.log10(value) - math.log10(self.low)) / (math.log10(self.high) - math.log10(self.low))
        return self.start + share * (self.end - self.start)

    @property
    def decades(self) -> list[float]:
        """The powers of ten on it."""
        first, last = round(math.log10(self.low)), round(math.log10(self.high))
        return [10.0**power for power in range(first, last + 1)]


def throughput_against_size(results: Results) -> str | None:
    """Return the plot of throughput as a ratio of the base at each message size; None without the figures."""
    sizes = [load for load in SIZES if f"size/{load.name}" in results.figures]
    lines: dict[str, dict[int, float]] = {}
    bases = set()
    for load in sizes:
        figure = results.figures[f"size/{load.name}"]
        base = base_of(figure)
        if base is None:
            continue
        bases.add(base)
        for who in figure.samples:
            ratio = figure.ratio(who, base)
            if ratio:
                lines.setdefault(who, {})[load.size] = ratio
    values = [value for line in lines.values() for value in line.values()]
    if not values or len(bases) != 1:
        return None
    down = _Axis.around(values, _HEIGHT - _BOTTOM, _TOP)
    step = (_WIDTH - _LEFT - _RIGHT) / max(1, len(sizes) - 1)
    across = {load.size: _LEFT + position * step for position, load in enumerate(sizes)}
    parts = [_decade_lines(down, lambda value: f"{value:g} x")]
    parts += [_text(across[load.size], _HEIGHT - _BOTTOM + 20, load.name, "small", "middle") for load in sizes]
    parts.append(_text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 12, "message size", "small", "middle"))
    ends = []
    for who, line in lines.items():
        points = [(across[size], down.at(value)) for size, value in line.items()]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        dash = ' stroke-dasharray="5 4"' if who in ("raw", "smtp-sink") else ""
        width = 3 if who == "smtpfix" else 2
        parts.append(f'<polyline points="{path}" fill="none" stroke="{_COLOURS[who]}" stroke-width="{width}"{dash}/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{_COLOURS[who]}"/>' for x, y in points]
        ends.append((points[-1][1], who))
    parts += _labels(ends)
    return _document(f"Messages a second as a ratio of {bases.pop()}: higher is better", parts)


def fixture_cost(results: Results) -> str | None:
    """Return the plot of what a test pays for each fixture in each mode; None without the figures."""
    groups: dict[str, Mapping[str, float]] = {}
    for mode in MODES:
        figure = results.figures.get(f"fixture/{mode}, fixture")
        if figure is not None and figure.samples:
            medians = {who: figure.median(who) or 0.0 for who in PEERS if who in figure.samples}
            groups[mode] = {who: cost for who, cost in medians.items() if cost > 0}
    values = [value for costs in groups.values() for value in costs.values()]
    if not values:
        return None
    down = _Axis.around(values, _HEIGHT - _BOTTOM, _TOP)
    names = list(dict.fromkeys(who for costs in groups.values() for who in costs))
    room = (_WIDTH - _LEFT - _RIGHT) / len(groups)
    bar = min(48.0, room / (len(names) + 1))
    parts = [_decade_lines(down, lambda value: f"{value:g} ms")]
    for position, (mode, costs) in enumerate(groups.items()):
        middle = _LEFT + room * (position + 0.5)
        parts.append(_text(middle, _HEIGHT - _BOTTOM + 20, mode, "small", "middle"))
        left = middle - bar * len(costs) / 2
        for who, cost in costs.items():
            top = down.at(cost)
            parts.append(
                f'<rect x="{left + 2:.1f}" y="{top:.1f}" width="{bar - 4:.1f}" '
                f'height="{_HEIGHT - _BOTTOM - top:.1f}" fill="{_COLOURS[who]}"/>'
            )
            parts.append(_text(left + bar / 2, top - 6, number(cost), "small", "middle"))
            left += bar
    for position, who in enumerate(names):
        y = _TOP + 10 + position * 22
        parts.append(f'<rect x="{_WIDTH - _RIGHT + 16}" y="{y - 10}" width="12" height="12" fill="{_COLOURS[who]}"/>')
        parts.append(_text(_WIDTH - _RIGHT + 34, y, who, ""))
    return _document("What a test pays for the fixture: lower is better", parts)


def write_plots(results: Results, folder: Path) -> list[Path]:
    """Write the plots there are figures for; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, plot in (("throughput.svg", throughput_against_size), ("fixture.svg", fixture_cost)):
        text = plot(results)
        if text is not None:
            (folder / name).write_text(text, encoding="utf-8")
            written.append(folder / name)
    return written


def _decade_lines(axis: _Axis, label: object) -> str:
    assert callable(label)  # noqa: S101 - the callers are above
    parts = []
    for value in axis.decades:
        y = axis.at(value)
        parts.append(f'<line class="grid" x1="{_LEFT}" y1="{y:.1f}" x2="{_WIDTH - _RIGHT}" y2="{y:.1f}"/>')
        parts.append(_text(_LEFT - 8, y + 4, label(value), "small", "end"))
    return "".join(parts)


def _labels(ends: list[tuple[float, str]]) -> list[str]:
    """Return the lines' names at their ends, moved apart where they would overlap."""
    parts = []
    lowest = -math.inf
    for y, who in sorted(ends):
        lowest = max(y, lowest + 17)
        x = _WIDTH - _RIGHT + 12
        parts.append(f'<circle cx="{x}" cy="{lowest:.1f}" r="4" fill="{_COLOURS[who]}"/>')
        parts.append(_text(x + 10, lowest + 4, who, ""))
    return parts


def _text(x: float, y: float, text: str, kind: str, anchor: str = "start") -> str:
    which = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{which}>{escape(text)}</text>'


def _document(title: str, parts: Sequence[str]) -> str:
    body = "\n".join([_text(_LEFT, 26, title, "title"), *parts])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{escape(title)}">\n<style>{_STYLE}</style>\n{body}\n</svg>\n'
    )
