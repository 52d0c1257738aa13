"""Whether something grows no faster than what there is of it: the check, and the table of what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from .results import Grid

TOLERANCE: Final = 1.5
"""How much more a unit may cost than at the cheapest smaller point, for growth to count as linear."""
_ENOUGH: Final = 1000
"""What fewer take, memory that was free before has room for."""
LINEAR: Final = "yes"
CONSTANT: Final = "yes, it does not grow"


def linear(costs: Sequence[float]) -> list[str]:
    """Say of each point whether a unit costs about what it did at the cheapest point before."""
    said = []
    for position, cost in enumerate(costs):
        before = min(costs[:position], default=cost)
        factor = cost / before if before else 1.0
        said.append(LINEAR if factor <= TOLERANCE else f"no, {factor:.1f} x a unit")
    return said


def growth(costs: Sequence[float], counts: Sequence[int]) -> str:
    """Say how the cost of the whole grows with the count."""
    if all(said == LINEAR for said in linear(costs)):
        return CONSTANT
    bad = [said for said in linear([cost / count for cost, count in zip(costs, counts, strict=True)]) if said != LINEAR]
    return bad[-1] if bad else LINEAR


def table(
    what: str,
    found: Mapping[int, Sequence[Mapping[str, float]]],
    octets: Mapping[int, float],
    taken: str = "octets of memory each",
) -> Grid:
    """Return a row for each operation: the least of its seconds at each count, those of a unit, and how it grows.

    `found` has the seconds of each turn, `octets` what a unit takes, and `taken` is the name of that row.
    """
    counts = [count for count in found if found[count]]
    rows = []
    for operation in found[counts[0]][0]:
        costs = [min(turn[operation] for turn in found[count]) for count in counts]
        cells = [f"{cost * 1e3:,.3f} ({cost / count * 1e6:,.2f})" for cost, count in zip(costs, counts, strict=True)]
        rows.append((operation, *cells, growth(costs, counts)))
    sizes = [octets.get(count, 0.0) for count in counts]
    shown = [f"{size:,.0f}" if size > 0 else "-" for size in sizes]
    judged = [size for size, count in zip(sizes, counts, strict=True) if size > 0 and count >= _ENOUGH]
    rows.append((taken, *shown, linear(judged)[-1] if judged else "-"))
    columns = ("ms of CPU (µs each)", *(f"{count:,}" for count in counts), "linear")
    return Grid(f"growth/{what}", f"Growth with {what}", columns, tuple(rows))
