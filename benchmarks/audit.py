"""How long an audit of Python's `smtplib` takes by the wall, on two cores: the default set, and everything."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Final

from .peers import SUBJECT, Ring
from .processes import TWO_CORES, StepFailedError, timed
from .results import Figure, Results, Sample, take_turns

SETS: Final = {"the default set": (), "everything": ("--everything",)}
"""What is run, and the options that ask for it."""
_ROUNDS: Final = 5
_STATUSES: Final = (0, 1)
"""What an audit ends with that has come to a grade, reached or not."""


def turn(python: Path, options: tuple[str, ...], out: Path) -> tuple[Sample]:
    """Run an audit, and see that it is whole."""
    command = [python, "-P", "-m", "smtpfix", "audit", *options, "--json", out, "smtplib"]
    wall, cpu = timed(command, cores=TWO_CORES, cwd=out.parent, good=_STATUSES)
    found = json.loads(out.read_text(encoding="utf-8"))
    if not found["is_complete"]:
        raise StepFailedError("the audit is not complete")
    return (Sample(wall, cpu / len(found["findings"])),)


def measure(ring: Ring, results: Results, *, rounds: int, factor: float) -> None:  # noqa: ARG001 - an audit has no tenth
    """Measure both sets; a sample's CPU is that of one scenario."""
    if SUBJECT not in ring.peers:
        results.note("audit figures: smtpfix takes no part")
        return
    folder = ring.scratch / "audit"
    folder.mkdir()
    for name, options in SETS.items():
        figure = Figure(f"audit/{name}", "s", more_is_better=False)
        try:
            contestants = {SUBJECT: partial(turn, ring.complete(), options, folder / "audit.json")}
        except StepFailedError as error:
            figure.missing[SUBJECT] = str(error)
        else:
            take_turns([figure], contestants, min(rounds, _ROUNDS), warm_up=0)
        results.add(figure)
