"""What is paid where nothing is used: imports, and the start of pytest with a plugin that no test asks for."""

from __future__ import annotations

import json
import statistics
from functools import partial
from pathlib import Path
from typing import Final

from .peers import SUBJECT, Peer, Ring
from .processes import run, timed
from .results import Figure, Grid, Results, Sample, take_turns

RUNS: Final = 40
"""Pairs of pytest runs, at least."""
HEAVY: Final = ("asyncio", "ssl", "aiosmtpd", "cryptography", "trustme", "faker", "rich", "click")
"""What an unused plugin must not import."""
BRINGS: Final = " and what it brings"
"""Added to a peer's name: with the plugins of its dependencies."""
_SHOWN: Final = 40

_IMPORTS: Final = {
    SUBJECT: (
        "asyncio",
        "aiosmtpd.smtp",
        "trustme",
        "cryptography.x509",
        "smtpfix",
        "smtpfix.server",
        "smtpfix.pki.authority",
    ),
    "smtpdfix": ("smtpdfix",),
    "pytest-localserver": ("pytest_localserver.smtp",),
}
"""By peer, the modules whose import is timed in its environment."""

_IMPORT: Final = (
    "import time, {before}; began = time.process_time(); import {module}; print(time.process_time() - began)"
)
_PLUGINS: Final = (
    "import json; from importlib.metadata import entry_points; "
    "print(json.dumps([[point.name, point.module, point.dist.name] for point in entry_points(group='pytest11')]))"
)
_CONFTEST: Final = """
import json, os, sys

def pytest_unconfigure(config):
    if out := os.environ.get("BENCHMARK_OUT"):
        with open(out, "w") as file:
            json.dump(sorted(sys.modules), file)
"""


def plugins(ring: Ring, peer: Peer) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return the names and modules of the pytest plugins in a peer's environment: its own, and those it brings."""
    found = json.loads(run([ring.python(peer), "-P", "-c", _PLUGINS]))
    own = [(str(name), str(module)) for name, module, home in found if home == peer.name]
    brought = [(str(name), str(module)) for name, module, home in found if home != peer.name]
    return own, brought


def import_turn(python: Path, module: str, before: str) -> tuple[Sample]:
    """Import a module in a few new interpreters; the median of their CPU time counts, in milliseconds."""
    code = _IMPORT.format(before=before, module=module)
    return (Sample(statistics.median(float(run([python, "-P", "-c", code])) for _ in range(3)) * 1e3),)


def start_turn(python: Path, suite: Path, without: list[str], order: list[bool]) -> tuple[Sample, Sample]:
    """Run one empty test with the plugin and without it; return the differences by the wall and of CPU time."""
    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    order.reverse()  # neither is always the first
    seconds = {used: timed([*command, *([] if used else without)], cwd=suite) for used in order}
    wall, cpu = (seconds[True][index] - seconds[False][index] for index in (0, 1))
    return Sample(wall * 1e3), Sample(cpu * 1e3)


def measure(ring: Ring, results: Results, *, rounds: int, factor: float) -> None:
    """Measure imports, then the start of pytest, then list what was imported."""
    figure = Figure("import/module", "ms of CPU", more_is_better=False)
    contestants = {}
    suite = ring.scratch / "startup"
    suite.mkdir(exist_ok=True)
    (suite / "pytest.ini").write_text("[pytest]\n")
    (suite / "conftest.py").write_text(_CONFTEST)
    (suite / "test_empty.py").write_text("def test(): pass\n")
    wall = Figure("import/pytest start with the plugin over without, by the wall", "ms", more_is_better=False)
    cpu = Figure("import/pytest start with the plugin over without, CPU", "ms", more_is_better=False)
    starts = {}
    rows = []
    for peer in ring.peers.values():
        if peer.name not in _IMPORTS:
            continue
        python = ring.python(peer)
        for module in _IMPORTS[peer.name]:
            contestants[module] = partial(import_turn, python, module, "sys")
        own, brought = plugins(ring, peer)
        for _, module in (*own, *brought):
            contestants[f"{module}, after pytest"] = partial(import_turn, python, module, "pytest")
        # A dependency's plugin is loaded in every run too: whoever installs the one pays for the other.
        chosen = {peer.name: own}
        if brought or peer.name == SUBJECT:
            chosen[f"{peer.name}{BRINGS}"] = [*own, *brought]
        for who, named in chosen.items():
            without = [part for name, _ in named for part in ("-p", f"no:{name}")]
            starts[who] = partial(start_turn, python, suite, without, [True, False])
            new = _modules(python, suite, []) - _modules(python, suite, without)
            tops = {module.partition(".")[0] for module in new}
            heavy = ", ".join(sorted(tops & set(HEAVY))) or "none"
            rows.append((who, str(len(new)), heavy, ", ".join(sorted(new)[:_SHOWN])))
    take_turns([figure], contestants, rounds)
    take_turns([wall, cpu], starts, max(rounds, round(RUNS * factor)))
    results.add(figure, wall, cpu)
    columns = ("plugin", "modules more", "heavy ones", f"which (the first {_SHOWN})")
    grid = Grid(
        "import/modules", "Modules that pytest imports because an unused plugin is installed", columns, tuple(rows)
    )
    results.grids[grid.key] = grid


def _modules(python: Path, suite: Path, without: list[str]) -> set[str]:
    out = suite / "modules.json"
    out.unlink(missing_ok=True)
    run([python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *without], cwd=suite, more={"BENCHMARK_OUT": str(out)})
    return set(json.loads(out.read_text()))
