"""`Device`: a client under test that cannot be started from here, such as a controller.

Somebody sets it up once and lets it send one mail, or read its mail, for each scenario; a `Guide` tells when, and hears
that nothing will come.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Final, Protocol

from smtpfix.clock import monotonic

from .case import Case
from .process import Ended
from .result import Ending, Finding, Trust
from .target import Target
from .wire import WireServer

DEFAULT_PATIENCE: Final = 600.0
"""Seconds that one scenario waits for the device to come, and then for it to go."""
QUIET: Final = 3.0
"""Seconds without a connection after which a run is over: a device may try again by itself, in clear perhaps."""
_LOOK: Final = 0.1
"""Seconds between two looks at what has come."""


class Answer(Enum):
    """What somebody may say while the server waits."""

    DONE = auto()
    """The device is set up, or its time is over: what has not come will not come."""
    AGAIN = auto()
    """The run before is to be made again, or this one where it is the first."""
    STOP = auto()
    """The audit is to end here."""


class AgainError(Exception):
    """The run before is to be made again."""


class Guide(Protocol):
    """Leads somebody through the audit."""

    def set_up(self, target: Target, total: int) -> None:
        """Say how the device is to be set up, for so many runs; a server that does nothing wrong stands there."""

    def announce(self, case: Case, target: Target) -> None:
        """Say that the server stands, and what to do on the device."""

    def answer(self) -> Answer | None:
        """Return what has been said since that; None for nothing. Does not wait."""

    def conclude(self, finding: Finding) -> None:
        """Say what came of a run, also of one that was never announced, since it could not be."""


@dataclass(slots=True)
class Device:
    """A client that somebody else starts."""

    guide: Guide
    name: str = "device"
    quiet: float = QUIET
    language: str = ""
    """As `Command.language`."""
    _first: tuple[str, bytes] | None = None
    """The name and the trusted certificate that the device is set up for."""

    def __str__(self) -> str:
        return self.name

    def start(self, slots: int) -> None:
        """Nothing has to be there before the first run: the device is."""

    def close(self) -> None:
        """Nothing is left."""

    def set_up(self, target: Target, total: int, *, timeout: float, stop: threading.Event) -> None:
        """Wait until somebody has set the device up for a server, or the time is over. Raises `KeyboardInterrupt`."""
        self._first = target.host, _trusted(target)
        self.guide.set_up(target, total)
        deadline = monotonic() + timeout
        while self._answer() is not Answer.DONE and monotonic() < deadline and not stop.wait(_LOOK):
            pass

    def cannot_reach(self, target: Target) -> str | None:
        """Return why a device that was set up for the first server cannot meet this one."""
        trusted = _trusted(target)
        if self._first is None:
            self._first = (target.host, trusted)
        name, known = self._first
        if target.host != name:
            return f"the device would have to connect to {target.host}, and is set up for {name}"
        if trusted != known and target.trust is not Trust.NONE:
            return "the device would have to trust a certificate other than the one it was given"
        return None

    def run(self, target: Target, *, timeout: float, stop: threading.Event) -> Ended:
        """Not to be called: there is nothing here to run."""
        raise NotImplementedError("a device is watched, not run")

    def watch(self, server: WireServer, case: Case, target: Target, *, timeout: float, stop: threading.Event) -> Ended:
        """Wait until the device has come and gone, or somebody says so, or the time is over.

        The time counts again from its first connection: until then it is that of whoever starts it. A session that is
        open still when the time is over, or is said to be, hangs. Raises `KeyboardInterrupt` where the audit is to end,
        and `AgainError`.
        """
        began = since = monotonic()
        self.guide.announce(case, target)
        seen, quiet_since = 0, None
        while not stop.is_set():
            answer = self._answer()  # before the look: what came until then is seen
            if answer is Answer.AGAIN:
                raise AgainError
            now = monotonic()
            sessions = tuple(server.sessions)
            is_open = not all(session.is_over for session in sessions)
            if sessions and not seen:
                since = now
            if is_open or len(sessions) != seen:
                seen, quiet_since = len(sessions), None
            if sessions and not is_open:
                quiet_since = now if quiet_since is None else quiet_since
                if now - quiet_since >= self.quiet:
                    break
            if answer is Answer.DONE or now - since > timeout:
                return Ended(Ending.TIMED_OUT if is_open else Ending.ELSEWHERE, seconds=now - began)
            stop.wait(_LOOK)
        return Ended(Ending.ELSEWHERE, seconds=monotonic() - began)

    def _answer(self) -> Answer | None:
        answer = self.guide.answer()
        if answer is Answer.STOP:
            raise KeyboardInterrupt
        return answer


def _trusted(target: Target) -> bytes:
    return Path(target.ca_file).read_bytes() if target.ca_file else b""
