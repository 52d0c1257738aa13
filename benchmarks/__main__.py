"""Measure every figure of docs/performance.md side by side in one run: ``python -m benchmarks``."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final

from . import audit, fixture, growth, handshake, memory, reading, send, sink, start, startup, tls, web
from .peers import PEERS, Ring, earlier, postfix_version
from .plot import write_plots
from .report import as_json, markdown, show
from .results import Results

KINDS: Final = {
    "fixture": fixture.measure,
    "sink": sink.measure,
    "tls": tls.measure,
    "start": start.measure,
    "import": startup.measure,
    "memory": memory.measure,
    "growth": growth.measure,
    "send": send.measure,
    "handshake": handshake.measure,
    "reading": reading.measure,
    "web": web.measure,
    "audit": audit.measure,
}
_LEAST_ROUNDS: Final = 5
_QUICK: Final = 0.1
"""Share of the work that ``--quick`` does."""


def main() -> int:
    """Measure, and report."""
    arguments = _arguments()
    began = time.monotonic()
    results = Results(rounds=arguments.rounds)
    if arguments.rounds < _LEAST_ROUNDS or arguments.quick:
        results.note("a trial, not a measurement: too little work for figures to rely on")
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as scratch:
        folder = Path(scratch)
        folder.chmod(0o755)  # smtp-sink gives up its rights
        peers = [*(PEERS[name] for name in arguments.peers), *map(earlier, arguments.before)]
        ring = Ring(
            peers,
            arguments.cache.absolute(),
            folder,
            maildev=arguments.maildev and arguments.maildev.absolute(),
            postgres=arguments.postgres,
        )
        for name, why in ring.absent.items():
            results.note(f"{name}: not available, {why}")
        for name in PEERS:
            if name not in arguments.peers:
                results.note(f"{name}: left out, not among --peers")
        for kind in arguments.only:
            print(f"{time.monotonic() - began:6.0f} s  {kind} …", file=sys.stderr)
            KINDS[kind](ring, results, rounds=arguments.rounds, factor=_QUICK if arguments.quick else 1.0)
            results.versions.update(sorted(ring.versions.items()))
            if postfix := postfix_version():
                results.versions["postfix"] = postfix
            _write(results, arguments)
    print(f"{time.monotonic() - began:6.0f} s  done", file=sys.stderr)
    show(results)
    return 0


def _write(results: Results, arguments: argparse.Namespace) -> None:
    """Write what has been measured up to now: whoever breaks off keeps it."""
    if arguments.json:
        arguments.json.write_text(as_json(results), encoding="utf-8")
    if arguments.markdown:
        arguments.markdown.write_text(markdown(results), encoding="utf-8")
    if arguments.out:
        write_plots(results, arguments.out)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", type=_names(KINDS), default=list(KINDS), metavar="KIND,…", help=", ".join(KINDS))
    parser.add_argument("--peers", type=_names(PEERS), default=list(PEERS), metavar="PEER,…", help=", ".join(PEERS))
    parser.add_argument("--before", action="append", default=[], metavar="COMMIT", help="smtpfix as it was, beside it")
    parser.add_argument("--rounds", type=_count, default=None, help="turns of each peer after one warm-up (7)")
    parser.add_argument("--quick", action="store_true", help="a tenth of the work and 2 rounds, to see that it runs")
    parser.add_argument("--cache", type=Path, default=Path(".bench"), help="folder for the peers' environments")
    parser.add_argument("--maildev", type=Path, metavar="FOLDER", help="where npm has put MailDev (one in the cache)")
    parser.add_argument("--postgres", metavar="URL", help="an empty database (one that is made for the run)")
    parser.add_argument("--json", type=Path, help="file for everything, every sample included")
    parser.add_argument("--markdown", type=Path, help="file for the tables as docs/performance.md has them")
    parser.add_argument("--out", type=Path, help="folder for the plots")
    arguments = parser.parse_args()
    if arguments.rounds is None:
        arguments.rounds = 2 if arguments.quick else 7
    return arguments


def _names(known: Collection[str]) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        chosen = [name.strip() for name in text.split(",") if name.strip()]
        unknown = [name for name in chosen if name not in known]
        if unknown or not chosen:
            raise argparse.ArgumentTypeError(f"{', '.join(unknown) or 'nothing'} is not among {', '.join(known)}")
        return list(dict.fromkeys(chosen))

    return parse


def _count(text: str) -> int:
    count = int(text)
    if not 1 <= count <= 100:  # noqa: PLR2004 - a bound, not a figure
        raise argparse.ArgumentTypeError("1 to 100")
    return count


if __name__ == "__main__":
    sys.exit(main())
