"""How to install what some scenarios need and smtpfix works without: its extras."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from collections.abc import Iterable
from pathlib import Path


def install_command(extras: Iterable[str]) -> str:
    """Return a shell command that installs extras where this smtpfix is, whatever environment is active.

    pip takes them from the installed smtpfix, so no index has to know it.
    """
    program = Path(sys.executable)
    with contextlib.suppress(OSError, ValueError):  # the directory is gone, or another one
        program = program.relative_to(Path.cwd())
    wanted = f"smtpfix[{','.join(sorted(set(extras)))}]"
    if os.name == "nt":
        return f'"{program}" -m pip install "{wanted}"'
    return shlex.join([str(program), "-m", "pip", "install", wanted])
