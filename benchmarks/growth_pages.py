"""How the page's lists grow with the messages and sessions in an SQLite store: the CPU time of each answer."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from .pages import answered, started
from .peers import Ring
from .processes import HERE, StepFailedError, run
from .results import Results
from .scaling import table
from .web import OCTETS

COUNTS: Final = (10, 100, 1000, 10_000, 100_000)
_API: Final = "api/smtpfix/v1"
_ANSWERS: Final = {
    "messages, a page of 50": f"{_API}/messages?limit=50",
    "messages, the last page": f"{_API}/messages?limit=10&start=END",
    "messages, a search without a match": f"{_API}/messages?query=nothingatall",
    "Mailpit's API, a page of 50": "api/v1/messages?limit=50",
    "sessions, a page of 50": f"{_API}/sessions?limit=50",
    "sessions, the last page": f"{_API}/sessions?limit=10&start=END",
    "sessions that failed, a page of 50": f"{_API}/sessions?failed=1&limit=50",
    "sessions without mail, a page of 50": f"{_API}/sessions?without_mail=1&limit=50",
}
"""What is asked for; ``END`` is where the last ten begin."""
_TIMES: Final = 5


def _used(where: Path) -> int:
    """Return the octets of a database without the pages that are free for what comes next."""
    with closing(sqlite3.connect(where)) as database:
        pages, free, size = (
            int(database.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("page_count", "freelist_count", "page_size")
        )
    return (pages - free) * size


def measure(ring: Ring, results: Results, counts: Sequence[int], rounds: int) -> None:
    """Fill a store of each size once, and ask each in turn."""
    found: dict[int, list[dict[str, float]]] = {count: [] for count in counts}
    octets: dict[int, float] = {}
    try:
        for count in counts:
            where = ring.scratch / f"growth-{count}.db"
            told = json.loads(
                run([ring.complete(), HERE / "probes" / "store.py", where, count, count, OCTETS], timeout=600)
            )
            octets[count] = _used(where) / count
            with started(ring, "web", "--store", where, "--listen", "localhost:0", is_page=True) as page:
                for path in _ANSWERS.values():
                    answered(page, path.replace("END", str(count - 10)), 1)  # counts them, until something changes
                for _ in range(rounds):
                    turn = {"messages stored": told["cpu"], "sessions stored": told["cpu of sessions"]}
                    for name, path in _ANSWERS.items():
                        sample = answered(page, path.replace("END", str(count - 10)), _TIMES)
                        turn[name] = sample.value / 1e3 if sample.cpu is None else sample.cpu
                    found[count].append(turn)
            where.unlink()
    except StepFailedError as error:
        results.note(f"growth with messages and sessions in a store: {error}")
    if found[counts[0]]:
        grid = table("messages and as many sessions in a store", found, octets, "octets on disk of both")
        results.grids[grid.key] = grid
