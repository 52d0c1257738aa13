"""`run_program`: it runs a program to its end, or until its time is over, and ends the processes it started.

Nothing goes in but what it is told to read; what comes out is kept up to a bound, its end and not its beginning.
"""

from __future__ import annotations

import contextlib
import os
import select
import selectors
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from smtpfix.clock import monotonic
from smtpfix.safe_text import printable

from .result import Ending

KEPT: Final = 8_192
"""Octets of what a client printed that are kept, the last ones."""
LOOK: Final = 0.1
"""Seconds between two looks for whether it was told to stop, and where there is no pidfd, whether it has ended."""
_LEAVES: Final = 0.5
"""Seconds that a child which a program leaves behind has to go its own way, before its process group is killed."""
_WAIT: Final = 2.0
"""Seconds that a killed program may take to go."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run of a client ended, by its own account."""

    ending: Ending
    status: int | None = None
    """Exit status, or the negative number of the signal that ended it; None for a callable or without one."""
    seconds: float = 0.0
    said: str = ""
    """The end of what it printed, or of what it raised, printable."""


class Tail:
    """The last octets of something that may be endless."""

    def __init__(self) -> None:
        self._octets = bytearray()
        self.is_cut = False
        """Whether there was more before."""

    def add(self, octets: bytes) -> None:
        """Take more in."""
        self._octets += octets
        if len(self._octets) > KEPT:
            self.is_cut = True
            del self._octets[:-KEPT]

    def __str__(self) -> str:
        lines = bytes(self._octets).decode("utf-8", "backslashreplace").strip().splitlines()
        return "\n".join([*(["…"] if self.is_cut else []), *map(printable, lines)])


def run_program(
    arguments: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    stdin: Path | None,
    timeout: float,
    stop: threading.Event,
) -> Ended:
    """Run a program in a process group of its own, without a shell, and return how it ended.

    What it has left behind in its process group is killed, whether it ended by itself or not.
    """
    began = monotonic()
    try:
        with contextlib.ExitStack() as files:
            given = files.enter_context(stdin.open("rb")) if stdin is not None else subprocess.DEVNULL
            process = subprocess.Popen(  # noqa: S603 - the client under test is what the user names
                arguments,
                cwd=folder,
                env=dict(environment),
                stdin=given,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
    except (OSError, ValueError) as error:
        return Ended(Ending.NOT_STARTED, said=printable(f"cannot run {arguments[0]}: {error}"))
    tail = Tail()
    assert process.stdout is not None  # noqa: S101 - asked for above
    with process.stdout:
        in_time = _follow(process, process.stdout.fileno(), tail, began + timeout, stop)
        if in_time:
            _let_go(process.stdout.fileno(), tail)
    end_group(process.pid)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_WAIT)
    return Ended(*told(process.returncode, in_time=in_time), seconds=monotonic() - began, said=str(tail))


def told(status: int | None, *, in_time: bool) -> tuple[Ending, int | None]:
    """Return how a program ended, by its exit status."""
    if not in_time:
        return Ending.TIMED_OUT, None
    if status == 0:
        return Ending.SUCCEEDED, 0
    return (Ending.CRASHED if status is not None and status < 0 else Ending.FAILED), status


def end_group(pid: int) -> None:
    """Kill the process group that a child leads; it has not been waited for, so its number is nobody else's."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _follow(process: subprocess.Popen[bytes], output: int, tail: Tail, deadline: float, stop: threading.Event) -> bool:
    """Read what a program prints until it has ended; return False where it has not by then."""
    os.set_blocking(output, False)
    with contextlib.ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        selector.register(output, selectors.EVENT_READ)
        if hasattr(os, "pidfd_open"):
            ended = os.pidfd_open(process.pid)
            stack.callback(os.close, ended)
            selector.register(ended, selectors.EVENT_READ)
        while (now := monotonic()) < deadline and not stop.is_set():
            selector.select(min(LOOK, deadline - now))
            is_open = drain(output, tail)
            if has_ended(process.pid):
                drain(output, tail)
                return True
            if not is_open and output in selector.get_map():
                selector.unregister(output)
    return False


def _let_go(output: int, tail: Tail) -> None:
    """Give a child that a program has left a moment to leave its process group: until then it has the output too."""
    until = monotonic() + _LEAVES
    while drain(output, tail) and (left := until - monotonic()) > 0:
        select.select([output], [], [], left)


def drain(descriptor: int, tail: Tail) -> bool:
    """Read what is there; return False once there will be no more."""
    for _ in range(256):  # then somebody else has to have a look at the clock
        try:
            octets = os.read(descriptor, 65_536)
        except BlockingIOError:
            return True
        if not octets:
            return False
        tail.add(octets)
    return True


def has_ended(pid: int) -> bool:
    """Return whether a child has ended, and leave it to be waited for: until then its number stays its own."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
