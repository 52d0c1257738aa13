"""What a path that somebody wrote leads to: nothing, too, where nobody can say, as for a name that is too long."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def is_file(path: str | os.PathLike[str]) -> bool:
    """Return whether a path leads to a regular file. It never raises `OSError`, as `pathlib.Path.is_file` may."""
    return stat.S_ISREG(_mode(path))


def is_directory(path: str | os.PathLike[str]) -> bool:
    """Return whether a path leads to a directory."""
    return stat.S_ISDIR(_mode(path))


def is_there(path: str | os.PathLike[str]) -> bool:
    """Return whether a path leads to anything."""
    return _mode(path) != 0


def _mode(path: str | os.PathLike[str]) -> int:
    try:
        return Path(path).stat().st_mode
    except (OSError, ValueError):  # and for a NUL in it
        return 0
