"""The promises: what each one says, how often it was tried, and how often it was broken; as a table."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from enum import Enum
from typing import Final


class Promise(Enum):
    """What is promised, in words; the measure behind it is what the table shows the worst of."""

    KILLED = "a mail that got its 250 is on disk after SIGKILL"
    ENDED = "a mail that got its 250 is on disk after SIGTERM or SIGINT"
    UNREAD = "a mail that got its 250 is on disk where nobody reads the output"
    FULL = "a mail that got its 250 is on disk where the disk is full"
    REFUSED = "a mail that cannot be saved gets no 250"
    TOLD = "a disk that is full or gone ends it, with status 2"
    WHOLE = "a file is one mail whole, and nothing of another one"
    STALE = "nothing half written is left after a restart"
    AGAIN = "after SIGKILL it starts again on the same directories"
    SIGNAL = "SIGTERM and SIGINT end it under load"
    STALLED = "SIGTERM ends it where nobody reads the output"
    RULES = "SIGHUP puts good rules in force, and bad ones change nothing"
    CROWD = "mail goes on when idle connections use up the descriptors and leave"
    SILENT = "nothing is on standard error that was not to be said"
    LEFT_THERE = "serve has no descriptor and no thread left of clients that are gone"
    KEPT = "a mail that got its 250 is in the inbox, once"
    APART = "no octet of one session is in another"
    CLOSED = "close() ends in time, whatever clients do"
    LEFT = "no descriptor, thread or child is left of a server that was closed"
    MEMORY = "memory does not grow after warm-up"


UNITS: Final = {
    Promise.SIGNAL: "s",
    Promise.STALLED: "s",
    Promise.TOLD: "s",
    Promise.CLOSED: "s",
    Promise.MEMORY: "MiB",
    Promise.SILENT: "octets",
}
"""The units of what is measured beside some promises."""
_SHOWN: Final = 5


@dataclass
class _Tally:
    tried: int = 0
    broken: list[str] = field(default_factory=list)
    worst: float | None = None


class Promises:
    """Counts; may be told by several threads."""

    def __init__(self) -> None:
        self._tallies = {promise: _Tally() for promise in Promise}
        self._lock = threading.Lock()

    def check(self, promise: Promise, kept: bool, why: str = "", *, measure: float | None = None) -> None:  # noqa: FBT001
        """Note that a promise was tried, and whether it was kept; `why` says what came instead."""
        with self._lock:
            tally = self._tallies[promise]
            tally.tried += 1
            if not kept:
                tally.broken.append(why)
            if measure is not None:
                tally.worst = max(measure, tally.worst or 0.0)

    @property
    def all_kept(self) -> bool:
        """Whether each was tried and none was broken."""
        return all(tally.tried and not tally.broken for tally in self._tallies.values())

    def table(self) -> str:
        """Return the table, followed by what was broken."""
        width = max(len(promise.value) for promise in Promise)
        lines = [f"{'promise':{width}}  {'tried':>7}  {'broken':>6}  worst"]
        said = []
        for promise, tally in self._tallies.items():
            worst = "" if tally.worst is None else f"{tally.worst:.2f} {UNITS[promise]}"
            lines.append(f"{promise.value:{width}}  {tally.tried:>7,}  {len(tally.broken):>6,}  {worst}".rstrip())
            said += [f"NOT TRIED: {promise.value}"] if not tally.tried else []
            said += [f"BROKEN: {promise.value}: {why}" for why in tally.broken[:_SHOWN]]
        return "\n".join([*lines, *said])
