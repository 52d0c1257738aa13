"""How smtpfix's cost grows: sessions, message size, recipients, messages in the inbox, in a mailbox and in a store."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Final

from . import growth_pages, growth_reading, sink
from .peers import SUBJECT, Ring, Server
from .processes import HERE, LOAD_CORES, Child, StepFailedError, memory, raise_descriptors, run
from .results import Figure, Grid, Results, Sample, take_turns
from .scaling import linear, table
from .sink import KIB, MIB, Load

SESSIONS: Final = tuple(Load(f"{count:,}", KIB, max(2000, 20 * count), count) for count in (1, 10, 100, 1000, 5000))
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
_SPARE: Final = 100
"""File descriptors that a process needs for something else than sessions."""
INBOX: Final = (10, 100, 1000, 10_000, 100_000)


def turn(ring: Ring, server: Server, load: Load) -> tuple[Sample]:
    """Return the seconds, and the server's CPU seconds, of one message."""
    (sample,) = sink.turn(ring, load, server)
    return (Sample(1 / sample.value, sample.cpu),)


def grow(
    ring: Ring,
    results: Results,
    what: str,
    loads: Sequence[Load],
    units: Callable[[Load], float],
    unit: str,
    rounds: int,
    more: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
) -> None:
    """Measure smtpfix at each point, the points taking turns; `more` has columns, and cells by the loads' names."""
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
            *(cells[load.name] for cells in more.values()),
        )
        for load, cost, said in zip(there, costs, linear(costs), strict=True)
    ]
    nothing = ("-",) * len(more)
    rows += [(one.name, "-", "-", "-", why, *nothing) for one in loads if (why := figure.missing.get(one.name))]
    columns = (what, "ms a message", "server CPU, ms a message", f"CPU, µs {unit}", "linear", *more)
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
    if found[counts[0]]:
        octets = {count: min(turn.pop("octets") for turn in turns) for count, turns in found.items() if turns}
        grid = table("messages in the inbox", found, octets)
        results.grids[grid.key] = grid


def open_sessions(ring: Ring, counts: Sequence[int]) -> dict[int, float]:
    """Return the octets of memory that a session takes at each number of them that are open and have said EHLO."""
    found = {}
    for count in counts:
        with ring.start(ring.peers[SUBJECT]) as server:
            with Child([sys.executable, HERE / "clients" / "hold.py", server.port, 10], cores=LOAD_CORES) as few:
                few.answer()
            before = memory(server.pid)
            with Child([sys.executable, HERE / "clients" / "hold.py", server.port, count], cores=LOAD_CORES) as many:
                many.answer()
                after = memory(server.pid)
        if before is not None and after is not None:
            found[count] = (after[0] - before[0]) / count
    return found


def measure(ring: Ring, results: Results, *, rounds: int, factor: float) -> None:
    """Measure every kind of growth."""
    if SUBJECT not in ring.peers:
        results.note("growth figures: smtpfix takes no part")
        return
    quick = factor < 1
    if ring.smtp_source is None:
        results.note("growth with sessions, size and recipients: smtp-source is not installed")
    else:
        descriptors = raise_descriptors()
        sessions = [load.scaled(factor) for load in SESSIONS if load.sessions + _SPARE <= descriptors]
        if len(sessions) < len(SESSIONS):
            left_out = ", ".join(load.name for load in SESSIONS[len(sessions) :])
            results.note(
                f"growth with sessions: {left_out} left out, a process may have {descriptors:,} descriptors only"
            )
        sizes = [load.scaled(factor) for load in (SIZES[:-1] if quick else SIZES)]
        octets = open_sessions(ring, [load.sessions for load in sessions])
        memory_of = {
            load.name: f"{octets[load.sessions]:,.0f}" if octets.get(load.sessions) else "-" for load in sessions
        }
        columns = {"octets of memory a session": memory_of}
        grow(ring, results, "sessions at the same time", sessions, lambda _: 1, "a message", rounds, columns)
        grow(ring, results, "message size", sizes, lambda load: load.size / KIB, "a KiB", rounds)
        recipients = [load.scaled(factor) for load in RECIPIENTS]
        grow(ring, results, "recipients", recipients, lambda load: load.recipients, "a recipient", rounds)
    grow_inbox(ring, results, INBOX[:-1] if quick else INBOX, min(rounds, 3))
    for kind in (growth_reading, growth_pages):
        kind.measure(ring, results, kind.COUNTS[:-1] if quick else kind.COUNTS, min(rounds, 3))
