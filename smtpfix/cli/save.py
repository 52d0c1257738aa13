"""Captured messages and transcripts as files: readable by their owner only, complete from the moment they are there."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from smtpfix.record.session import Session
from smtpfix.safe_text import printable

from .events import ClientEvent, MessageCaptured, SessionEnded

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows, where nobody can remove a file that somebody has open
    fcntl = None  # type: ignore[assignment]

_PART: Final = ".part"
_MESSAGE: Final = re.compile(r"([0-9]{4,})-.*\.eml")
_SESSION: Final = re.compile(r"session-.*-([0-9]{4,})\.txt")


class Saver:
    """Writes to one directory: ``0001-starttls.eml`` and ``session-starttls-0001.txt``, and so on.

    Numbers are those of message and session, and go on where an earlier run in the same directory stopped: nothing is
    ever overwritten, also where several programs save at the same time. What a program that was killed left unfinished
    is removed. Messages may be saved in one thread and sessions in another. Raises `OSError` for a directory that
    cannot be made or written.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory = directory
        with self._part():
            pass  # better now than with the first message
        self._remove_stale()
        self._messages_before = self._highest(_MESSAGE)
        self._sessions_before = self._highest(_SESSION)

    def save(self, event: ClientEvent) -> ClientEvent:
        """Write what came to an end, and return the event with the file's path. Raises `OSError`."""
        match event:
            case MessageCaptured(server=server, message=message):
                path, skipped = self._write(
                    lambda skip: f"{self._messages_before + skip + message.number:04}-{server}.eml", message.content
                )
                self._messages_before += skipped
            case SessionEnded(server=server, session=session):
                path, skipped = self._write(
                    lambda skip: f"session-{server}-{self._sessions_before + skip + session.number:04}.txt",
                    _text(server, session).encode(),
                )
                self._sessions_before += skipped
            case _:
                return event
        return replace(event, path=path)

    def _highest(self, pattern: re.Pattern[str]) -> int:
        matches = (pattern.fullmatch(path.name) for path in self._directory.iterdir())
        return max((int(match[1]) for match in matches if match), default=0)

    def _write(self, name: Callable[[int], str], data: bytes) -> tuple[Path, int]:
        """Write a file under the first of its names that is free; return its path, and how many were not."""
        with self._part() as (descriptor, part):
            left = memoryview(data)
            while left:
                left = left[os.write(descriptor, left) :]
            skipped = 0
            while True:
                path = self._directory / name(skipped)
                try:
                    path.hardlink_to(part)  # never onto a file that is there, as a rename would be
                except FileExistsError:
                    skipped += 1  # another run saves here at the same time
                else:
                    return path, skipped

    @contextlib.contextmanager
    def _part(self) -> Iterator[tuple[int, str]]:
        """Make a file that only its owner can read, locked as long as it is being written; give its first name up."""
        while True:
            descriptor, name = tempfile.mkstemp(prefix=".", suffix=_PART, dir=self._directory)  # 0600
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
        for part in self._directory.glob(f".*{_PART}"):
            with contextlib.suppress(OSError):
                descriptor = os.open(part, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
                try:
                    _lock(descriptor, wait=False)
                    part.unlink()
                finally:
                    os.close(descriptor)


def _lock(descriptor: int, *, wait: bool = True) -> None:
    if fcntl is not None:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)


def _text(server: str, session: Session) -> str:
    address, port = session.client
    lines = [
        f"session    {server} #{session.number}",
        f"client     {address} port {port}, calls itself {session.client_name or 'nothing'}",
        f"server     {session.server[0]} port {session.server[1]}",
        f"started    {session.started.isoformat(timespec='milliseconds')}, lasted {session.duration:.3f} s",
        f"summary    {session}",
    ]
    return "\n".join([*map(printable, lines), "", str(session.transcript), ""])
