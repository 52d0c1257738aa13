"""Soak the server for a while: load, faults, kills, signals and stalled readers, and a table of promises kept.

``python -m benchmarks.soak`` takes a minute, ``--seconds`` as long as it says, ``--short`` a quarter of a minute; every
kind of round is played once, whatever the time. It prints the promises, how often each was tried and how often broken,
and exits with 1 where one was broken or not tried. Chance begins with a seed that is printed; how threads and processes
take turns is the system's.
"""

from __future__ import annotations

import argparse
import faulthandler
import itertools
import random
import signal
import sys
import time
from collections.abc import Sequence

from smtpfix.pki.authority import Authority

from .inside import Inside
from .outside import Outside
from .program import directory
from .promises import Promises


def soak(seconds: float, load: float, seed: int) -> int:
    """Play the rounds until the time is over; return the exit status."""
    print(f"seed {seed}", flush=True)
    chance, promises = random.Random(seed), Promises()  # noqa: S311 - it has to repeat
    began = time.monotonic()
    count = 0
    with directory() as folder, Authority() as authority:
        inside = Inside(promises, chance, load, authority)
        outside = Outside(promises, chance, load, folder)
        cycle = [round_ for one in outside.rounds for round_ in (one, inside.serve)]
        for round_ in itertools.cycle(cycle):
            if count >= len(cycle) and time.monotonic() - began >= seconds:
                break
            round_()
            count += 1
    print(promises.table())
    print(f"{count} rounds in {time.monotonic() - began:.0f} s: {'all kept' if promises.all_kept else 'NOT ALL KEPT'}")
    return 0 if promises.all_kept else 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long; 60 unless told otherwise")
    parser.add_argument("--short", action="store_true", help="every kind of round once, briefly")
    parser.add_argument("--seed", type=int, default=None, help="what chance begins with; a random one by default")
    options = parser.parse_args(arguments)
    seconds = 0.0 if options.short else options.seconds
    # A shell lets what it runs in the background ignore Ctrl-C, and the programs here would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    faulthandler.dump_traceback_later(2 * seconds + 300, exit=True)  # so that nothing here can hang for ever
    seed = random.randrange(1_000_000) if options.seed is None else options.seed  # noqa: S311 - a seed
    return soak(seconds, 0.4 if options.short else 1.0, seed)


if __name__ == "__main__":
    sys.exit(main())
