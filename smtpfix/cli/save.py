"""`Saver`: captured messages and transcripts as files, one each; and what it shares with `maildir`."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final, Protocol

from smtpfix.mail.message import CapturedMessage
from smtpfix.record.session import Session
from smtpfix.safe_text import printable

from .events import ClientEvent, MessageCaptured, SessionEnded
from .folder import Counter, Folder, file_name

_MESSAGE: Final = re.compile(r"([0-9]{4,})-.*\.eml")
_SESSION: Final = re.compile(r"session-.*-([0-9]{4,})\.txt")
_NUMBERS: Final = ".numbers"
_HEAD: Final = 65_536
"""Octets of a message in which its subject is looked for: it is saved by the thread that serves all clients."""


class Saving(Protocol):
    """A way to save."""

    def next_number(self) -> int:
        """Return the number of the message that is about to come."""

    def save(self, event: ClientEvent) -> ClientEvent:
        """Write what came to an end, and return the event with the file's path. Raises `OSError`."""


class Transcripts:
    """Writes transcripts to a folder: ``session-starttls-0001.txt``, and so on from where an earlier run stopped."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._before = highest(folder.path, _SESSION)

    def save(self, event: SessionEnded) -> SessionEnded:
        """Write one, and return the event with its path. Raises `OSError`."""
        server, session = event.server, event.session
        numbers = itertools.count(self._before + session.number)
        names = (f"session-{server}-{number:04}.txt" for number in numbers)
        path, skipped = self._folder.write(names, _text(server, session).encode())
        self._before += skipped
        return replace(event, path=path)


class Saver:
    """Writes to one directory: ``0001-ann@example.org-Tank-empty.eml`` and ``session-starttls-0001.txt``, and so on.

    Numbers go on where an earlier run in the same directory stopped, and a message's is that of its file: nothing is
    ever overwritten, also where several programs save at the same time. Messages may be saved in one thread and
    sessions in another. Raises `OSError` for a directory that cannot be made or written.
    """

    def __init__(self, directory: Path) -> None:
        self._folder = Folder(directory)
        self._transcripts = Transcripts(self._folder)
        self.next_number = Counter(directory / _NUMBERS, highest(directory, _MESSAGE)).next
        """Return a number that no other message in the directory has."""

    def save(self, event: ClientEvent) -> ClientEvent:
        """Write what came to an end, and return the event with the file's path. Raises `OSError`."""
        if isinstance(event, SessionEnded):
            return self._transcripts.save(event)
        if isinstance(event, MessageCaptured):
            path, _ = self._folder.write(_names(event.message), event.message.content)
            return replace(event, path=path)
        return event


def highest(directory: Path, pattern: re.Pattern[str]) -> int:
    """Return the highest number in the names of a directory's files, 0 without any."""
    matches = (pattern.fullmatch(path.name) for path in directory.iterdir())
    return max((int(match[1]) for match in matches if match), default=0)


def _names(message: CapturedMessage) -> Iterator[str]:
    """Yield the names that a message's file may have: the second is for one that somebody has put there."""
    head = replace(message, content=message.content[:_HEAD])
    parts = [file_name(part) for part in (*message.to[:1], head.subject)]
    name = "-".join((f"{message.number:04}", *(part for part in parts if part)))
    if not any(parts):
        name += "-message"
    yield f"{name}.eml"
    for more in itertools.count(2):
        yield f"{name}-{more}.eml"


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
