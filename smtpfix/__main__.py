"""The command line, `smtpfix` and `python -m smtpfix`: it handles signals before it imports anything else."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from .early_signals import EARLY_SIGNALS


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status; `cli.main` says more."""
    if (sys.argv[1:] if arguments is None else arguments)[:1] in (["serve"], ["web"]):  # which handle signals
        EARLY_SIGNALS.remember()
    from .cli import main as run  # noqa: PLC0415 - the point

    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
