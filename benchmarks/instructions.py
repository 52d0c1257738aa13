"""How many instructions a message and a session take: ``python -m benchmarks.instructions --before COMMIT``.

`valgrind --tool=callgrind` counts those of one process with a server and a client in it, which does not depend on how
busy a machine is. Each figure is the difference between two runs, so what starting costs is in neither. The kernel's
instructions are not counted.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Final

from .processes import HERE, ROOT, environment

_TALK: Final = HERE / "servers" / "talk.py"
_WORK: Final = {
    "message": "a message of 1 KiB on an open connection",
    "session": "a session that says EHLO and QUIT",
    "whole": "a session with a message of 1 KiB",
}
_FEW: Final = 100
_MANY: Final = 500
_PATIENCE: Final = 600.0


def collected(tree: Path, server: str, what: str, times: int) -> int:
    """Return the instructions of one run, with smtpfix as it is in a folder."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", sys.executable, str(_TALK)]
    done = subprocess.run(
        [*command, server, what, str(times)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=_PATIENCE,
        env=environment(PYTHONPATH=str(tree), PYTHONHASHSEED="0"),
    )
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or found is None:
        raise SystemExit(f"{server} at {tree} was not counted: {done.stderr.strip()[-500:]}")
    return int(found[1])


def each(tree: Path, server: str, what: str) -> int:
    """Return the instructions that doing something once takes."""
    few, many = (collected(tree, server, what, times) for times in (_FEW, _MANY))
    return round((many - few) / (_MANY - _FEW))


def unpack(commit: str, folder: Path) -> Path:
    """Write the project as it was at a commit into a folder; return that."""
    archive = folder / "archive.tar"
    subprocess.run(["git", "archive", "--output", str(archive), commit, "smtpfix", "certs"], cwd=ROOT, check=True)
    with tarfile.open(archive) as opened:
        opened.extractall(folder, filter="data")
    return folder


def main() -> None:
    """Count, and print the rows of a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.instructions", description=__doc__)
    parser.add_argument("--before", metavar="COMMIT", help="count smtpfix as it was at a commit, too")
    parser.add_argument("--only", choices=_WORK, action="append", help="count one kind of work")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        counted = {"now": (ROOT, "smtpfix"), "raw": (ROOT, "raw")}
        if arguments.before:
            counted = {arguments.before: (unpack(arguments.before, Path(folder)), "smtpfix"), **counted}
        print(f"| instructions | {' | '.join(counted)} |\n|{' --- |' * (len(counted) + 1)}")
        for tree, server in counted.values():
            collected(tree, server, "whole", 1)  # compiles what is not yet
        for what in arguments.only or _WORK:
            figures = [f"{each(tree, server, what):,}" for tree, server in counted.values()]
            print(f"| {_WORK[what]} | {' | '.join(figures)} |", flush=True)


if __name__ == "__main__":
    main()
