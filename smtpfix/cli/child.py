"""One process of `serve --workers`, as its parent sees it: how it is, what it has told, and what it prints."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess
from typing import Final, NamedTuple

from .worker import LENGTH, Done, Failed, Ready

READ_SIZE: Final = 65_536
"""Octets that are read at once of what a process prints."""


class Counts(NamedTuple):
    """What workers have done."""

    accepted: int = 0
    sessions: int = 0
    connected: int = 0
    """Clients that are there."""

    def plus(self, other: Counts) -> Counts:
        """Return what both have done together."""
        return Counts(self.accepted + other.accepted, self.sessions + other.sessions, self.connected + other.connected)


class Child:
    """One process below, and what it has told."""

    def __init__(
        self,
        process: ForkProcess,
        told: Connection,
        text: int | None = None,
        number: int = 0,
        counts: memoryview | None = None,
    ) -> None:
        """Take a process that has been started, our end of what it tells, and what it counts into."""
        self.process = process
        self.told = told
        self.text = text
        """The pipe by which a worker prints; the web server prints nothing."""
        self.number = number
        self.ready: Ready | None = None
        self.failed: str | None = None
        self.done: Done | None = None
        self._counts = counts
        self._read = bytearray()

    @property
    def status(self) -> str:
        """What ended it."""
        code = self.process.exitcode or 0
        if code < 0:
            with suppress(ValueError):
                return signal.Signals(-code).name
        return f"status {code}"

    @property
    def counts(self) -> Counts:
        """What it has done up to now."""
        return Counts() if self._counts is None else Counts(*self._counts)

    def hear(self) -> None:
        """Take in what it has told."""
        with suppress(EOFError, OSError):
            while self.told.poll():
                match self.told.recv():
                    case Ready() as ready:
                        self.ready = ready
                    case Done() as done:
                        self.done = done
                    case Failed(why):
                        self.failed = why

    def read(self) -> bytes | None:
        """Read once from its pipe; return the events that are there whole, and None at the end."""
        piece = b"" if self.text is None else os.read(self.text, READ_SIZE)
        if not piece:
            return None
        self._read += piece
        whole, at = [], 0
        while len(self._read) >= at + LENGTH.size:
            end = at + LENGTH.size + LENGTH.unpack_from(self._read, at)[0]
            if len(self._read) < end:
                break
            whole.append(self._read[at + LENGTH.size : end])
            at = end
        del self._read[:at]
        return b"".join(whole)

    def ends(self) -> tuple[int, ...]:
        """Return our ends of its pipes."""
        return (self.told.fileno(), *(() if self.text is None else (self.text,)))

    def close(self) -> None:
        """Let go of a process that has ended."""
        self.process.join()
        self.process.close()
        self.told.close()
        if self.text is not None:
            os.close(self.text)
