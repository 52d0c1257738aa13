"""`smtpfix serve` in a process of its own: where it listens, what it says, what it has open, how it ends."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self

from benchmarks.processes import ROOT, environment

from .clients import Target

BOUND: Final = 10.0
"""Seconds within which anything has to happen; it is a second that is promised, and the machine may be busy."""
MODES: Final = ("plain", "starttls", "tls-required", "implicit-tls")


class Program:
    """One run. `targets` are its servers; what it says is read by a thread, or by nobody."""

    def __init__(
        self, *arguments: object, modes: Sequence[str] = MODES, reads: bool = True, limits: dict[int, int] | None = None
    ) -> None:
        listen = [part for mode in modes for part in ("--listen", f"{mode}:0")]
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - `__exit__` closes it
        self._process = subprocess.Popen(
            [sys.executable, "-m", "smtpfix", "serve", "--json", *listen, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=environment(),
            cwd=ROOT,
            bufsize=0,
        )
        for kind, most in (limits or {}).items():  # long before it listens
            resource.prlimit(self._process.pid, kind, (most, most))
        self._pending = b""
        self._changed = threading.Condition()
        self._kinds: list[str] = []
        try:
            self.targets = tuple(_target(self._line()) for _ in modes)
        except BaseException:
            self.__exit__()
            raise
        self._reader = threading.Thread(target=self._read, daemon=True)
        if reads:
            self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(BOUND)
        reader = getattr(self, "_reader", None)
        if reader is not None and reader.ident is not None:
            reader.join(BOUND)
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        self._process.stdout.close()
        self._errors.close()

    @property
    def pid(self) -> int:
        """Its id."""
        return self._process.pid

    @property
    def status(self) -> int | None:
        """Its exit status; None as long as it runs."""
        return self._process.poll()

    @property
    def complaint(self) -> str:
        """What it has written on standard error."""
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace")

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """Kill it."""
        self._process.kill()
        self._process.wait(BOUND)

    def seconds_to_end(self, number: int | None = None) -> float:
        """Send it a signal, or none; return the seconds it takes to end. Endless where it does not."""
        began = time.monotonic()
        if number is not None:
            self.signal(number)
        try:
            self._process.wait(BOUND)
        except subprocess.TimeoutExpired:
            return float("inf")
        return time.monotonic() - began

    def wait_for(self, kind: str, *, behind: int = 0) -> bool:
        """Wait for an event of a kind after the first so many; return whether it came."""
        with self._changed:
            return self._changed.wait_for(lambda: kind in self._kinds[behind:], BOUND)

    @property
    def event_count(self) -> int:
        """How many events have been read."""
        with self._changed:
            return len(self._kinds)

    @property
    def open_now(self) -> tuple[int, int] | None:
        """How many descriptors and threads it has; None where the system does not tell."""
        proc = Path("/proc") / str(self.pid)
        try:
            return len(list((proc / "fd").iterdir())), len(list((proc / "task").iterdir()))
        except OSError:
            return None

    def _line(self) -> dict[str, Any]:
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        deadline = time.monotonic() + BOUND
        while b"\n" not in self._pending:
            left = deadline - time.monotonic()
            ready, _, _ = select.select([self._process.stdout], [], [], max(0.0, left))
            piece = os.read(self._process.stdout.fileno(), 65_536) if ready else b""
            if not piece:
                raise RuntimeError(f"serve does not start: {self.complaint[-500:]!r}")
            self._pending += piece
        line, _, self._pending = self._pending.partition(b"\n")
        return dict(json.loads(line))

    def _read(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        pending = self._pending
        while piece := os.read(self._process.stdout.fileno(), 65_536):
            *lines, pending = (pending + piece).split(b"\n")
            with self._changed:
                self._kinds += [json.loads(line)["event"] for line in lines]
                self._changed.notify_all()


class Programs(contextlib.ExitStack):
    """Several at once; what is still running at the end is killed."""

    def __init__(self) -> None:
        super().__init__()
        self.programs: list[Program] = []

    def start(self, *arguments: object) -> None:
        """Start one more. Raises `RuntimeError`."""
        self.programs.append(self.enter_context(Program(*arguments)))


def kill_at_start(seconds: float, *arguments: object) -> None:
    """Start a program, and kill it after so many seconds, whatever it is at."""
    command = [sys.executable, "-m", "smtpfix", "serve", "--listen", "starttls:0", *map(str, arguments)]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment(), cwd=ROOT
    ) as process:
        time.sleep(seconds)
        process.kill()


def _target(listening: dict[str, Any]) -> Target:
    ca_file = listening["ca_file"]
    context = None if listening["mode"] == "plain" else ssl.create_default_context(cafile=ca_file)
    return Target(listening["mode"], listening["host"], listening["port"], context)


@contextmanager
def directory() -> Iterator[Path]:
    """Make a directory, and remove it with all that is in it."""
    with tempfile.TemporaryDirectory(prefix="smtpfix-soak-", ignore_cleanup_errors=True) as path:
        yield Path(path)
