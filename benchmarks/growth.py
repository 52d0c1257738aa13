"""How smtpfix's cost grows: sessions, message size, recipients, messages in the inbox; where it stays linear."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from . import sink
from .peers import SUBJECT, Ring, Server
from .processes import HERE, LOAD_CORES, StepFailedError, run
from .results import Figure, Grid, Results, Sample, take_turns
from .sink import KIB, MIB, Load

TOLERANCE: Final = 1.5
"""How much more a unit may cost than at the cheapest smaller point, for growth to count as linear."""

SESSIONS: Final = tuple(Load(f"{count:,}", KIB, max(2000, 20 * count), count) for count in (1, 10, 100, 1000))
SIZES: Final = tuple(
    Load(name, size, messages)
    for name, size, messages in (
        ("1 KiB", KIB, 1000),
        ("10 KiB", 10 * KIB, 1000),
        ("100 KiB", 100 * KIB, 200),
        ("1 MiB", MIB, 40),
        ("10 MiB", 10 * MIB, 6),
        ("100 MiB", 100 * MIB, 2),
    )
)
RECIPIENTS: Final = tuple(
    Load(f"{count:,}", KIB, max(2, 2000 // count), recipients=count) for count in (1, 10, 100, 1000, 10_000)
)
INBOX: Final = (10, 100, 1000, 10_000, 100_000)


def turn(ring: Ring, server: Server, load: Load) -> tuple[Sample]:
    """Return the seconds, and the server's CPU seconds, of one message."""
    (sample,) = sink.turn(ring, load, server)
    return (Sample(1 / sample.value, sample.cpu),)


def linear(costs: Sequence[float]) -> list[str]:
    """Say of each point whether a unit costs about what it did at the cheapest point before."""
    said = []
    for position, cost in enumerate(costs):
        before = min(costs[:position], default=cost)
        factor = cost / before if before else 1.0
        said.append("yes" if factor <= TOLERANCE else f"no, {factor:.1f} x a unit")
    return said


def grow(
    ring: Ring,
    results: Results,
    what: str,
    loads: Sequence[Load],
    units: Callable[[Load], float],
    unit: str,
    rounds: int,
) -> None:
    """Measure smtpfix at each point, the points taking turns."""
    figures: dict[str, Figure] = {}
    with ring.start(ring.peers[SUBJECT]) as server:
        figure = Figure(f"growth/{what}", "s a message", more_is_better=False)
        take_turns([figure], {load.name: partial(turn, ring, server, load) for load in loads}, rounds)
        figures[figure.key] = figure
    results.add(figure)
    there = [load for load in loads if load.name in figure.samples]
    costs = [(figure.cpu(load.name) or figure.median(load.name) or 0.0) / units(load) for load in there]
    rows = [
        (
            load.name,
            f"{(figure.median(load.name) or 0.0) * 1e3:,.3f}",
            f"{(figure.cpu(load.name) or 0.0) * 1e3:,.3f}",
            f"{cost * 1e6:,.3f}",
            said,
        )
        for load, cost, said in zip(there, costs, linear(costs), strict=True)
    ]
    rows += [(load.name, "-", "-", "-", figure.missing[load.name]) for load in loads if load.name in figure.missing]
    columns = (what, "ms a message", "server CPU, ms a message", f"CPU, µs {unit}", "linear")
    results.grids[f"growth/{what}"] = Grid(f"growth/{what}", f"Growth with {what}", columns, tuple(rows))


def grow_inbox(ring: Ring, results: Results, counts: Sequence[int], rounds: int) -> None:
    """Measure the inbox at each size in a process of its own."""
    found: dict[int, list[dict[str, float]]] = {count: [] for count in counts}
    probe = [ring.python(ring.peers[SUBJECT]), HERE / "probes" / "inbox.py"]
    try:
        for _ in range(rounds):
            for count in counts:
                found[count].append(json.loads(run([*probe, str(count)], cores=LOAD_CORES)))
    except StepFailedError as error:
        results.note(f"growth with messages in the inbox: {error}")
    counts = [count for count in counts if found[count]]
    if not counts:
        return
    operations = list(found[counts[0]][0])
    rows = []
    for operation in operations:
        costs = [min(turn[operation] for turn in found[count]) for count in counts]
        per_unit = [cost / count for cost, count in zip(costs, counts, strict=True)]
        bad = [said for said in linear(per_unit) if said != "yes"]
        cells = [f"{cost * 1e3:,.3f} ({unit * 1e6:,.2f})" for cost, unit in zip(costs, per_unit, strict=True)]
        rows.append((operation, *cells, bad[-1] if bad else "yes"))
    columns = ("ms (µs a message)", *(f"{count:,}" for count in counts), "linear")
    key = "growth/messages in the inbox"
    results.grids[key] = Grid(key, "Growth with messages in the inbox", columns, tuple(rows))


def measure(ring: Ring, results: Results, *, rounds: int, factor: float) -> None:
    """Measure every kind of growth."""
    if SUBJECT not in ring.peers:
        results.note("growth figures: smtpfix takes no part")
        return
    quick = factor < 1
    if ring.smtp_source is None:
        results.note("growth with sessions, size and recipients: smtp-source is not installed")
    else:
        sessions = [load.scaled(factor) for load in SESSIONS]
        sizes = [load.scaled(factor) for load in (SIZES[:-1] if quick else SIZES)]
        grow(ring, results, "sessions at the same time", sessions, lambda _: 1, "a message", rounds)
        grow(ring, results, "message size", sizes, lambda load: load.size / KIB, "a KiB", rounds)
        recipients = [load.scaled(factor) for load in RECIPIENTS]
        grow(ring, results, "recipients", recipients, lambda load: load.recipients, "a recipient", rounds)
    grow_inbox(ring, results, INBOX[:-1] if quick else INBOX, min(rounds, 3))
