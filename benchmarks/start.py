"""Start and stop of a server in a process that is already warm, beside starting a thread with an event loop."""

from __future__ import annotations

import contextlib
import statistics
import sys
from collections.abc import Callable
from functools import partial
from typing import Final

from .peers import MODES, SUBJECT, Ring
from .processes import HERE, SERVER_CORES, Child, StepFailedError
from .results import Figure, Results, Sample, take_turns

TIMES: Final = 50
THREAD: Final = "a thread with a loop"
ALONE: Final = "smtpfix, alone"
"""A server whose loop thread nobody else holds: what the first one of a process costs."""


def turn(child: Child, times: int) -> tuple[Sample]:
    """Start and stop some servers; the median counts."""
    seconds = child.ask(f"times {times}")["seconds"]
    return (Sample(statistics.median(seconds) * 1e3),)


def measure(ring: Ring, results: Results, *, rounds: int, factor: float) -> None:
    """Measure every mode."""
    times = max(5, round(TIMES * factor))
    for mode in MODES:
        figure = Figure(f"start/{mode}", "ms", more_is_better=False)
        with contextlib.ExitStack() as stack:
            contestants: dict[str, Callable[[], tuple[Sample]]] = {}

            def enter(name: str, command: list[str]) -> None:
                child = stack.enter_context(Child(command, cores=SERVER_CORES))
                try:
                    child.answer(30)
                except StepFailedError as error:
                    figure.missing[name] = str(error)  # noqa: B023 - as above
                else:
                    contestants[name] = partial(turn, child, times)  # noqa: B023 - as above

            enter(THREAD, [sys.executable, str(HERE / "servers" / "run_thread.py"), "--idle"])
            for peer in ring.peers.values():
                if peer.program is None:
                    continue
                if mode not in peer.modes:
                    figure.missing[peer.name] = f"has no {mode}"
                    continue
                command = [str(ring.python(peer)), str(HERE / "servers" / peer.program), "--idle", "--mode", mode]
                if mode != "plain":
                    command += ["--certificate", str(ring.chain), "--key", str(ring.key)]
                enter(peer.name, command)
                if peer.name == SUBJECT:
                    enter(ALONE, [*command, "--alone"])
            take_turns([figure], contestants, rounds)
        results.add(figure)
