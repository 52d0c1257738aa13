"""What one `sendmail` costs the caller: on an open connection, and with connecting and quitting around it."""

from __future__ import annotations

import functools
import json
import sys
from typing import Final

from .peers import MODES, Ring, Server
from .processes import HERE, LOAD_CORES, run
from .results import Figure, Results, Sample
from .sink import KIB, content_file, contest

CALLS: Final = 200


def turn(ring: Ring, mode: str, calls: int, server: Server) -> tuple[Sample, Sample]:
    """Let one client send."""
    server.clear()
    file, expected = content_file(ring.scratch, KIB)
    command = [sys.executable, HERE / "clients" / "sendmail.py", mode, str(server.port), str(calls), file]
    found = json.loads(run(command, cores=LOAD_CORES))
    server.check(found["messages"], expected)
    return Sample(found["send"]), Sample(found["whole"])


def measure(ring: Ring, results: Results, *, rounds: int, factor: float) -> None:
    """Measure every mode."""
    calls = max(10, round(CALLS * factor))
    for mode in MODES:
        figures = [Figure(f"send/{what}, {mode}", "ms", more_is_better=False) for what in ("open", "whole")]
        contest(ring, figures, mode, rounds, functools.partial(turn, ring, mode, calls))
        results.add(*figures)
