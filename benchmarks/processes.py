"""Other processes: started on a core of their own, spoken to by lines, measured from outside, ended by their id."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import socket
import subprocess
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parent
PATIENCE: Final = 180.0
"""Seconds that any one step may take."""
_DESCRIPTORS: Final = 20_000
"""More than anything here needs."""
_PROC: Final = Path("/proc")


class StepFailedError(Exception):
    """A step did not do what it should; the figure it belongs to is left out, with this as the reason."""


def _cores() -> tuple[set[int], set[int]]:
    """Return the cores for servers and for whatever loads them; empty where they cannot be kept apart."""
    if not hasattr(os, "sched_getaffinity"):
        return set(), set()
    cores = sorted(os.sched_getaffinity(0))
    return ({cores[-1]}, set(cores[:-1])) if len(cores) > 1 else (set(), set())


SERVER_CORES, LOAD_CORES = _cores()
TWO_CORES: Final = {*sorted(LOAD_CORES)[-1:], *SERVER_CORES}
"""For what uses all cores there are; empty where they cannot be kept apart."""


@contextlib.contextmanager
def on_cores(cores: set[int]) -> Iterator[None]:
    """Let what is started inside run on these cores only."""
    if not cores:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def environment(**more: str) -> dict[str, str]:
    """Return the environment for children: nothing that would change what Python or pytest do."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "PYTEST_", "COVERAGE", "SMTPD_"))
    }
    return kept | {"PYTHONDONTWRITEBYTECODE": "", "PYTHONNOUSERSITE": "1"} | more


def run(
    command: Sequence[object],
    *,
    cores: set[int] | None = None,
    cwd: Path | None = None,
    timeout: float = PATIENCE,
    more: Mapping[str, str] | None = None,
    good: Collection[int] = (0,),
) -> str:
    """Run a program to its end and return what it printed; `good` are its good statuses. Raises `StepFailedError`."""
    try:
        with on_cores(cores or set()):
            done = subprocess.run(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=timeout,
                env=environment(**(more or {})),
                cwd=cwd,
            )
    except subprocess.TimeoutExpired:
        raise StepFailedError(f"{Path(str(command[0])).name} was not done within {timeout:g} s") from None
    except OSError as error:
        raise StepFailedError(f"{Path(str(command[0])).name} does not start: {error.strerror}") from None
    if done.returncode not in good:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise StepFailedError(f"{Path(str(command[0])).name} ended with {done.returncode}: {''.join(last)[:200]}")
    return done.stdout


def timed(
    command: Sequence[object],
    *,
    cores: set[int] = LOAD_CORES,
    timeout: float = PATIENCE,
    cwd: Path | None = None,
    good: Collection[int] = (0,),
) -> tuple[float, float]:
    """Run a program; return its seconds by the wall and its seconds of CPU, those of its children among them."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    run(command, cores=cores, timeout=timeout, cwd=cwd, good=good)
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def raise_descriptors() -> int:
    """Let this process, and those it starts, have as many file descriptors as may be; return how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most


def free_port() -> int:
    """Return a port that nobody listens on, for programs that cannot choose one themselves."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def wait_for_port(port: int, seconds: float = 30) -> None:
    """Wait until somebody listens on a port. Raises `StepFailedError`."""
    until = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > until:
                raise StepFailedError(f"nobody listens after {seconds:g} s") from None
            time.sleep(0.02)
        else:
            return


class Child:
    """A program that reads commands and answers each with one line of JSON."""

    def __init__(self, command: Sequence[object], *, cores: set[int], cwd: Path | None = None) -> None:
        self._name = Path(str(command[-1 if len(command) == 1 else 1])).stem
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - `close` closes it
        with on_cores(cores):
            self._process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env=environment(),
                cwd=cwd,
                bufsize=0,
            )
        self._pending = b""

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def answer(self, timeout: float = PATIENCE) -> dict[str, Any]:
        """Return its next line. Raises `StepFailedError`."""
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        deadline = time.monotonic() + timeout
        while b"\n" not in self._pending:
            ready, _, _ = select.select([self._process.stdout], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise StepFailedError(f"{self._name} said nothing for {timeout:g} s")
            piece = os.read(self._process.stdout.fileno(), 65_536)
            if not piece:
                raise StepFailedError(f"{self._name} ended: {self._last_error()}")
            self._pending += piece
        line, _, self._pending = self._pending.partition(b"\n")
        found = json.loads(line)
        if "error" in found:
            raise StepFailedError(f"{self._name}: {found['error']}")
        return dict(found)

    def say(self, command: str) -> None:
        """Send a command without waiting."""
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        try:
            self._process.stdin.write(f"{command}\n".encode())
        except OSError as error:
            raise StepFailedError(f"{self._name} ended: {self._last_error()}") from error

    def ask(self, command: str, timeout: float = PATIENCE) -> dict[str, Any]:
        """Send a command and return the answer. Raises `StepFailedError`."""
        self.say(command)
        return self.answer(timeout)

    def close(self) -> None:
        """End it, by force if it takes longer than a few seconds."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(5)
        self._errors.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _last_error(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(2)
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1][:200] if lines else f"exit code {self._process.returncode}"


def cpu_seconds(pid: int) -> float | None:
    """Return the CPU time of all threads of a process so far; None where the system does not tell."""
    try:
        tasks = list((_PROC / str(pid) / "task").iterdir())
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9
    except (OSError, ValueError, IndexError):
        pass
    try:
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return None


def cpu_of_all(pid: int) -> float | None:
    """Return the CPU time of a process and its children that still run."""
    try:
        children = [int(one) for one in (_PROC / str(pid) / "task" / str(pid) / "children").read_text().split()]
    except OSError:
        children = []
    found = [cpu_seconds(one) for one in (pid, *children)]
    return None if found[0] is None else sum(filter(None, found))


def memory(pid: int) -> tuple[int, int] | None:
    """Return the resident octets of a process now, and at their peak; None where the system does not tell."""
    try:
        lines = (_PROC / str(pid) / "status").read_text().splitlines()
        found = {line.partition(":")[0]: int(line.split()[1]) * 1024 for line in lines if line.startswith("Vm")}
        return found["VmRSS"], found["VmHWM"]
    except (OSError, ValueError, KeyError):
        return None


def reset_peak(pid: int) -> None:
    """Let the peak of a process's memory begin anew, where the system can."""
    with contextlib.suppress(OSError):
        (_PROC / str(pid) / "clear_refs").write_text("5")
