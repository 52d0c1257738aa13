"""A client under test that cannot be started from here, such as a controller: `Device`.

Somebody lets it send one mail for each scenario; a `Guide` tells when, and hears that nothing will come.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Final, Protocol

from smtpfix.session import Session

from .plan import Case
from .process import Ended
from .result import Ending
from .target import Target
from .wire import WireServer

DEFAULT_PATIENCE: Final = 600.0
"""Seconds that one scenario waits for the device."""
QUIET: Final = 3.0
"""Seconds without a connection after which a run is over: a device may try again by itself, in clear perhaps."""
_LOOK: Final = 0.1
"""Seconds between two looks at what has come."""


class Answer(Enum):
    """What somebody may say while the server waits."""

    DONE = auto()
    """The device is done: what has not come will not come."""
    STOP = auto()
    """The audit is to end here."""


class Guide(Protocol):
    """Leads somebody through the audit."""

    def announce(self, case: Case, target: Target) -> None:
        """Say that the server stands, and what to do on the device."""

    def answer(self) -> Answer | None:
        """Return what has been said since; None for nothing. Does not wait."""

    def conclude(self, sessions: tuple[Session, ...]) -> None:
        """Say what came."""


@dataclass(slots=True)
class Device:
    """A client that somebody else starts."""

    guide: Guide
    name: str = "device"
    quiet: float = QUIET
    _first: tuple[str, bytes] | None = None
    """The name and the trusted certificate of the first server, which the device was set up for."""

    def __str__(self) -> str:
        return self.name

    def start(self, slots: int) -> None:
        """Nothing has to be there before the first run: the device is."""

    def close(self) -> None:
        """Nothing is left."""

    def cannot_reach(self, target: Target) -> str | None:
        """Return why a device that was set up for the first server cannot meet this one."""
        trusted = Path(target.ca_file).read_bytes() if target.ca_file else b""
        if self._first is None:
            self._first = (target.host, trusted)
        name, known = self._first
        if target.host != name:
            return f"the device would have to connect to {target.host}, and is set up for {name}"
        if trusted != known:
            return "the device would have to trust another certificate than the one it was given"
        return None

    def run(self, target: Target, *, timeout: float, stop: threading.Event) -> Ended:
        """Not to be called: there is nothing here to run."""
        raise NotImplementedError("a device is watched, not run")

    def watch(self, server: WireServer, case: Case, target: Target, *, timeout: float, stop: threading.Event) -> Ended:
        """Wait until the device has come and gone, or somebody says so, or the time is over."""
        began = time.monotonic()
        self.guide.announce(case, target)
        quiet_since, seen = None, 0
        ending = Ending.ELSEWHERE
        while not stop.is_set():
            now = time.monotonic()
            sessions = tuple(server.sessions)
            are_over = all(session.is_over for session in sessions)
            if not sessions or not are_over or len(sessions) != seen:
                quiet_since, seen = None, len(sessions)
            quiet_since = now if sessions and are_over and quiet_since is None else quiet_since
            if quiet_since is not None and now - quiet_since >= self.quiet:
                break
            answer = self.guide.answer()
            if answer is Answer.STOP:
                raise KeyboardInterrupt
            if answer is Answer.DONE:
                break
            if now - began > timeout:
                ending = Ending.ELSEWHERE if are_over else Ending.TIMED_OUT
                break
            stop.wait(_LOOK)
        self.guide.conclude(tuple(server.sessions))
        return Ended(ending, seconds=time.monotonic() - began)
