"""Captured messages and transcripts as files: readable by their owner only, complete from the moment they are there."""

from __future__ import annotations

import os
import re
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Final

from smtpfix.record.session import Session
from smtpfix.safe_text import printable

from .events import ClientEvent, MessageCaptured, SessionEnded

_MESSAGE: Final = re.compile(r"([0-9]{4,})-.*\.eml")
_SESSION: Final = re.compile(r"session-.*-([0-9]{4,})\.txt")


class Saver:
    """Writes to one directory: ``0001-starttls.eml`` and ``session-starttls-0001.txt``, and so on.

    Numbers are those of message and session, and go on where an earlier run in the same directory stopped: nothing is
    ever overwritten. Raises `OSError` for a directory that cannot be made or written.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass  # better now than with the first message
        self._directory = directory
        self._messages_before = self._highest(_MESSAGE)
        self._sessions_before = self._highest(_SESSION)

    def save(self, event: ClientEvent) -> ClientEvent:
        """Write what came to an end, and return the event with the file's path. Raises `OSError`."""
        match event:
            case MessageCaptured(server=server, message=message):
                while (path := self._path(f"{self._messages_before + message.number:04}-{server}.eml")).exists():
                    self._messages_before += 1  # another run saves here at the same time
                self._write(path, message.content)
            case SessionEnded(server=server, session=session):
                while (
                    path := self._path(f"session-{server}-{self._sessions_before + session.number:04}.txt")
                ).exists():
                    self._sessions_before += 1
                self._write(path, _text(server, session).encode())
            case _:
                return event
        return replace(event, path=path)

    def _highest(self, pattern: re.Pattern[str]) -> int:
        matches = (pattern.fullmatch(path.name) for path in self._directory.iterdir())
        return max((int(match[1]) for match in matches if match), default=0)

    def _path(self, name: str) -> Path:
        return self._directory / name

    def _write(self, path: Path, data: bytes) -> None:
        descriptor, name = tempfile.mkstemp(prefix=".", suffix=".part", dir=self._directory)  # 0600
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
            os.replace(name, path)  # noqa: PTH105 - mkstemp gives a name
        except BaseException:
            os.unlink(name)  # noqa: PTH108
            raise


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
