"""`Folder`: a directory of files that only their owner can read, and that are complete when they appear.

Also where several programs write to it at the same time, and where one of them is killed.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows, where nobody can remove a file that somebody has open
    fcntl = None  # type: ignore[assignment]

_PART: Final = ".part"
_LONGEST: Final = 40
"""Characters of a text in a file's name: two of them fit beside a number into the 143 octets that eCryptfs has."""
_ALLOWED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789@._+-")
_DIGITS: Final = 20
"""Octets of a counter's file that are read."""


class Folder:
    """Writes files and overwrites none; what a program that was killed left unfinished is removed.

    Files are written in `parts`, the same directory without it, which has to be on the same file system. Raises
    `OSError` for a directory that cannot be made or written.
    """

    def __init__(self, directory: Path, parts: Path | None = None) -> None:
        self.path = directory
        self._parts = parts or directory
        for one in (directory, self._parts):
            one.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._part():
            pass  # better now than with the first message
        self._remove_stale()

    def write(self, names: Iterable[str], data: bytes) -> tuple[Path, int]:
        """Write a file under the first of these names that is free; return its path, and how many names were not."""
        with self._part() as (descriptor, part):
            left = memoryview(data)
            while left:
                left = left[os.write(descriptor, left) :]
            for skipped, name in enumerate(names):
                path = self.path / name
                try:
                    path.hardlink_to(part)  # never onto a file that is there, as a rename would be
                except FileExistsError:
                    continue  # another run saves here at the same time
                return path, skipped
        raise FileExistsError(f"{self.path}: all names are taken")

    @contextlib.contextmanager
    def _part(self) -> Iterator[tuple[int, str]]:
        """Make a file that only its owner can read, locked as long as it is being written; give its first name up."""
        while True:
            descriptor, name = tempfile.mkstemp(prefix=".", suffix=_PART, dir=self._parts)  # 0600
            _lock(descriptor)
            if os.fstat(descriptor).st_nlink:
                break
            os.close(descriptor)  # taken for a stale one before it was locked
        try:
            yield descriptor, name
        finally:
            if os.name == "nt":  # pragma: no cover - no open file can be removed there
                os.close(descriptor)
                os.unlink(name)  # noqa: PTH108 - mkstemp gives a name
            else:
                os.unlink(name)  # noqa: PTH108
                os.close(descriptor)

    def _remove_stale(self) -> None:
        """Remove what programs were writing that are dead: a living one holds its lock."""
        for part in self._parts.glob(f".*{_PART}"):
            with contextlib.suppress(OSError):
                descriptor = os.open(part, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
                try:
                    _lock(descriptor, wait=False)
                    part.unlink()
                finally:
                    os.close(descriptor)


class Counter:
    """Counts on where the last program stopped, in a file that all programs share which write to one directory."""

    def __init__(self, file: Path, last: int) -> None:
        self._file = file
        self._last = last

    def next(self) -> int:
        """Return a number that no program has had from this file."""
        try:
            self._last = self._claim()
        except OSError:  # no room on the disk, say: what is saved next fails too, and says so
            self._last += 1
        return self._last

    def _claim(self) -> int:
        descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
        try:
            _lock(descriptor)  # Windows knows no such lock
            text = os.read(descriptor, _DIGITS)
            number = max(int(text) if text.strip().isdigit() else 0, self._last) + 1
            os.lseek(descriptor, 0, os.SEEK_SET)
            os.write(descriptor, b"%d\n" % number)
        finally:
            os.close(descriptor)
        return number


def file_name(text: str) -> str:
    """Return a text as a part of a file's name that every file system takes: ASCII letters, digits, ``@._+-``."""
    letters = unicodedata.normalize("NFKD", text[: 2 * _LONGEST])
    known = "".join(one if one in _ALLOWED else " " for one in letters if unicodedata.category(one) != "Mn")
    return "-".join(known.split())[:_LONGEST].strip("-.")


def _lock(descriptor: int, *, wait: bool = True) -> None:
    if fcntl is not None:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
