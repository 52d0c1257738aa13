"""`Call`: a client under test that is a Python callable. Each run is a process of its own.

Processes are forked from this one before the audit begins, and each run is forked from one of them: so lambdas and
closures work, and what the caller has imported need not be imported again.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import faulthandler
import inspect
import json
import os
import queue
import select
import signal
import socket
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from smtpfix.clock import monotonic
from smtpfix.resolver import DOMAIN, resolving
from smtpfix.safe_text import printable

from .process import KEPT, LOOK, Ended, Tail, drain, end_group, told
from .result import DeclaredMode, Ending, Trust
from .target import Target

Deliver = Callable[[Target], object]
"""Delivers one message to where it is told; a coroutine function is awaited."""

_LONGEST: Final = 65_536
"""Octets of a request or an answer."""
_WORD: Final = 2.0
"""Seconds beyond a run's time that its process may take to be ended and reported."""


@dataclass(slots=True)
class Call:
    """A callable and the processes its runs are forked from, one for each that goes on at a time."""

    deliver: Deliver
    name: str = ""
    """What it goes by in the result; empty: the callable's own name."""
    _idle: queue.SimpleQueue[_Nursery] = field(default_factory=queue.SimpleQueue, init=False)
    _all: list[_Nursery] = field(default_factory=list, init=False)

    def __str__(self) -> str:
        return self.name or getattr(self.deliver, "__qualname__", repr(self.deliver))

    @property
    def language(self) -> str:
        """A callable is Python."""
        return "python"

    def start(self, slots: int) -> None:
        """Fork, before the audit has threads of its own."""
        for _ in range(slots):
            nursery = _Nursery.fork(self.deliver, [one.control for one in self._all])
            self._all.append(nursery)
            self._idle.put(nursery)

    def close(self) -> None:
        """End the processes."""
        for nursery in self._all:
            nursery.close()
        self._all.clear()

    def cannot_reach(self, target: Target) -> str | None:  # noqa: ARG002 - as `Command` has it
        """Return None: every name is led there inside its process."""
        return None

    def run(self, target: Target, *, timeout: float, stop: threading.Event) -> Ended:
        """Run it once, in a process of its own. Never raises for what the callable does."""
        nursery = self._idle.get()
        try:
            return nursery.run(target, timeout, stop)
        finally:
            self._idle.put(nursery)


@dataclass(slots=True)
class _Nursery:
    """A process that has one thread and nothing to do but to fork runs; `control` is the way to it."""

    pid: int
    control: socket.socket

    @classmethod
    def fork(cls, deliver: Deliver, others: list[socket.socket]) -> _Nursery:
        ours, theirs = socket.socketpair()
        pid = _forked()
        if pid == 0:  # pragma: no cover - in the child, which ends without telling what it has covered
            _last(lambda: _serve(theirs, deliver, [ours, *others]))
        theirs.close()
        return cls(pid, ours)

    def run(self, target: Target, timeout: float, stop: threading.Event) -> Ended:
        values = {"timeout": timeout, "target": dataclasses.asdict(target)}
        began = monotonic()
        try:
            self.control.sendall(json.dumps(values).encode() + b"\n")
            while not select.select([self.control], [], [], LOOK)[0]:
                if monotonic() - began > timeout + _WORD:
                    return Ended(Ending.TIMED_OUT, None, monotonic() - began)
                if stop.is_set():
                    self.control.shutdown(socket.SHUT_WR)
                    break
            answer = json.loads(_line(self.control))
        except (OSError, ValueError) as error:
            return Ended(Ending.NOT_STARTED, said=f"the process that runs are forked from is gone: {error}")
        return Ended(Ending(answer["ending"]), answer["status"], monotonic() - began, printable_lines(answer["said"]))

    def close(self) -> None:
        self.control.close()
        with contextlib.suppress(ChildProcessError):
            deadline = monotonic() + _WORD
            while os.waitpid(self.pid, os.WNOHANG) == (0, 0):
                if monotonic() > deadline:
                    os.kill(self.pid, signal.SIGKILL)
                    os.waitpid(self.pid, 0)
                    return
                time.sleep(0.002)


def printable_lines(text: str) -> str:
    """Return text of several lines with everything else escaped that is not printable."""
    return "\n".join(map(printable, text.splitlines()))


def _forked() -> int:
    """Fork. Python 3.12 warns of threads, none of which is needed in the child."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _line(control: socket.socket) -> bytes:
    received = bytearray()
    while not received.endswith(b"\n"):
        octets = control.recv(_LONGEST)
        if not octets:
            break
        received += octets
    return bytes(received)


# In the children


def _last(do: Callable[[], object]) -> NoReturn:  # pragma: no cover - in a child
    """Do something, and end without anything that the parent has left to be done at its end."""
    try:
        do()
    except BaseException:  # noqa: BLE001 - there is nobody to tell
        os._exit(1)
    os._exit(0)


def _serve(control: socket.socket, deliver: Deliver, others: list[socket.socket]) -> None:  # pragma: no cover
    os.setsid()  # a Ctrl-C is for the audit, which ends its runs
    for one in others:
        one.close()
    while request := _line(control):
        values = json.loads(request)
        given = values["target"]
        target = Target(**{**given, "mode": DeclaredMode(given["mode"]), "trust": Trust(given["trust"])})
        control.sendall(json.dumps(_one_run(control, deliver, target, values["timeout"])).encode() + b"\n")


def _one_run(
    control: socket.socket, deliver: Deliver, target: Target, timeout: float
) -> dict[str, object]:  # pragma: no cover
    """Run the callable in a child, and return how it ended."""
    deadline = monotonic() + timeout
    output, printed = os.pipe()
    result, written = os.pipe()
    pid = _forked()
    if pid == 0:
        control.close()
        _last(lambda: _child(deliver, target, printed, written))
    os.close(printed)
    os.close(written)
    tail, answer, in_time = Tail(), bytearray(), False
    watched: list[int] = [output, result, control.fileno()]
    os.set_blocking(output, False)
    while (now := monotonic()) < deadline:
        ready = select.select(watched, [], [], deadline - now)[0]
        if control.fileno() in ready:  # the audit is over
            break
        if output in ready and not drain(output, tail):
            watched.remove(output)
        if result in ready:
            octets = os.read(result, _LONGEST)
            answer += octets
            if not octets or answer.endswith(b"\n"):
                in_time = True
                break
    if in_time:  # it is at its end, or somebody has closed what it does not know of
        left = monotonic() + _WORD
        while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None and monotonic() < left:
            time.sleep(0.001)
    end_group(pid)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    drain(output, tail)
    os.close(output)
    os.close(result)
    told_itself = json.loads(answer) if answer.endswith(b"\n") else None
    if told_itself is None or not in_time:
        ending, code = told(status, in_time=in_time)
        return {"ending": ending, "status": code, "said": str(tail)}
    said = "\n".join(filter(None, [str(tail), told_itself["said"]]))
    return {"ending": told_itself["ending"], "status": told_itself["status"], "said": said}


def _child(deliver: Deliver, target: Target, printed: int, written: int) -> None:  # pragma: no cover - in a child
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, to in ((nothing, 0), (printed, 1), (printed, 2)):
        os.dup2(descriptor, to)
    sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False, errors="backslashreplace")  # noqa: SIM115
    sys.stderr = open(2, "w", closefd=False, errors="backslashreplace", buffering=1)  # noqa: SIM115
    faulthandler.enable(sys.stderr)  # pytest's would write to where the audit itself writes
    os.chdir(target.workdir)
    ending, status, said = _called(deliver, target)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    answer = {"ending": ending, "status": status, "said": said[-KEPT:]}
    os.write(written, json.dumps(answer).encode() + b"\n")


def _called(deliver: Deliver, target: Target) -> tuple[Ending, int | None, str]:
    """Call the callable; return what it makes of it."""
    try:
        with resolving(DOMAIN, target.host, to=target.address):
            value: Any = deliver(target)
            if inspect.isawaitable(value):
                asyncio.run(_awaited(value))
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
        said = str(leaving.code) if isinstance(leaving.code, str) else ""
        return (Ending.FAILED if code else Ending.SUCCEEDED), code, said
    except BaseException as error:  # noqa: BLE001 - whatever it raises is quoted
        return Ending.FAILED, None, "".join(traceback.format_exception_only(error)).strip()
    return Ending.SUCCEEDED, None, ""


async def _awaited(value: Any) -> None:
    await value
