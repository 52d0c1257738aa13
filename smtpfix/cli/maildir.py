"""`MaildirSaver`: captured messages as a Maildir, which mail readers can open."""

from __future__ import annotations

import itertools
import os
import socket
import time
from dataclasses import replace
from pathlib import Path

from .events import ClientEvent, MessageCaptured, SessionEnded
from .folder import Folder
from .save import Transcripts


class MaildirSaver:
    """Delivers to ``new`` of a Maildir, as Python's `mailbox` names and writes messages: lines end in LF.

    A message is written in ``tmp`` and there at once when it is whole. Behind the ``Q`` in its name stands its number
    in this run. Transcripts are in ``transcripts``, which mail readers do not look at. Raises `OSError` for a directory
    that cannot be made or written.
    """

    def __init__(self, directory: Path) -> None:
        (directory / "cur").mkdir(mode=0o700, parents=True, exist_ok=True)
        self._new = Folder(directory / "new", directory / "tmp")
        self._transcripts = Transcripts(Folder(directory / "transcripts"))
        self._host = socket.gethostname().replace("/", "\\057").replace(":", "\\072")
        self.next_number = itertools.count(1).__next__
        """Return the number of the message that is about to come."""

    def save(self, event: ClientEvent) -> ClientEvent:
        """Write what came to an end, and return the event with the file's path. Raises `OSError`."""
        if isinstance(event, SessionEnded):
            return self._transcripts.save(event)
        if isinstance(event, MessageCaptured):
            number, content = event.message.number, event.message.content.replace(b"\r\n", b"\n")
            path, _ = self._new.write((self._name(number) for _ in itertools.count()), content)
            return replace(event, path=path)
        return event

    def _name(self, number: int) -> str:
        """Return a name that nobody else has: https://cr.yp.to/proto/maildir.html."""
        seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
        return f"{seconds}.M{nanoseconds // 1000:06}P{os.getpid()}Q{number}.{self._host}"
