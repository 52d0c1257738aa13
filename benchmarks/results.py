"""What was measured: samples of contestants that took turns, their medians, and ratios of pairs within a round."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from .processes import StepFailedError

WARM_UP: Final = 1
"""Rounds that do not count."""


class Sample(NamedTuple):
    """One contestant's turn in one round."""

    value: float
    """In the figure's unit."""
    cpu: float | None = None
    """Seconds of the server's CPU for each message, session or call."""


@dataclass
class Figure:
    """One figure: the same work given to several contestants."""

    key: str
    """Its name in the targets and in JSON: ``sink/1 KiB, 10 sessions kept``."""
    unit: str
    """``messages/s``, ``ms``, …"""
    more_is_better: bool = True
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    """By contestant, one a round; a contestant that failed is not here."""
    missing: dict[str, str] = field(default_factory=dict)
    """Who could not take part, and why."""

    def median(self, who: str) -> float | None:
        """Return the median of a contestant's values."""
        samples = self.samples.get(who)
        return statistics.median(sample.value for sample in samples) if samples else None

    def cpu(self, who: str) -> float | None:
        """Return the median of a contestant's CPU seconds a unit of work."""
        found = [sample.cpu for sample in self.samples.get(who, ()) if sample.cpu is not None]
        return statistics.median(found) if found else None

    def ratio(self, who: str, base: str) -> float | None:
        """Return the median of the ratios of pairs within a round."""
        pairs = zip(self.samples.get(who, ()), self.samples.get(base, ()), strict=False)
        ratios = [one.value / other.value for one, other in pairs if other.value]
        return statistics.median(ratios) if ratios else None

    def cpu_ratio(self, who: str, base: str) -> float | None:
        """Return the median of the ratios of CPU within a round: the steadier figure on a shared machine."""
        pairs = zip(self.samples.get(who, ()), self.samples.get(base, ()), strict=False)
        ratios = [one.cpu / other.cpu for one, other in pairs if one.cpu is not None and other.cpu]
        return statistics.median(ratios) if ratios else None

    def spread(self, who: str) -> float | None:
        """Return how far the values lie apart: the middle half's width as a share of the median."""
        values = [sample.value for sample in self.samples.get(who, ())]
        middle = statistics.median(values) if values else 0.0
        if len(values) < 2 or not middle:  # noqa: PLR2004 - quartiles need two
            return None
        low, _, high = statistics.quantiles(values, n=4, method="inclusive")
        return (high - low) / middle


@dataclass(frozen=True)
class Grid:
    """A table that is no contest: how something grows, what was imported."""

    key: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass
class Results:
    """Everything of one run."""

    rounds: int
    figures: dict[str, Figure] = field(default_factory=dict)
    grids: dict[str, Grid] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Say something once."""
        if text not in self.notes:
            self.notes.append(text)

    def add(self, *figures: Figure) -> None:
        """Take in figures."""
        self.figures.update({figure.key: figure for figure in figures})

    def value(self, key: str, who: str) -> float | None:
        """Return a figure's median for a contestant, if both are there."""
        return self.figures[key].median(who) if key in self.figures else None


def take_turns(
    figures: Sequence[Figure],
    contestants: Mapping[str, Callable[[], Sequence[Sample]]],
    rounds: int,
    *,
    warm_up: int = WARM_UP,
) -> None:
    """Let contestants take turns, A B C A B C; each turn gives a sample to each figure; who fails once is out."""
    going = dict(contestants)
    turns: dict[str, list[Sequence[Sample]]] = {who: [] for who in going}
    for number in range(warm_up + rounds):
        for who, turn in tuple(going.items()):
            try:
                samples = turn()
            except StepFailedError as error:
                for figure in figures:
                    figure.missing[who] = str(error)
                del going[who]
                continue
            if number >= warm_up:
                turns[who].append(samples)
    for who in going:
        for position, figure in enumerate(figures):
            figure.samples[who] = [samples[position] for samples in turns[who]]
