"""One worker process of `smtpfix serve`: it reports to its parent, with octets to print and numbers.

Knows nothing of the others; `workers` starts them and puts together what they tell.
"""

from __future__ import annotations

import io
import os
import signal
import socket
import struct
import threading
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

from smtpfix.errors import SMTPFixError
from smtpfix.pki.authority import Authority
from smtpfix.policy.server_policy import ServerPolicy
from smtpfix.server import Server
from smtpfix.store.opening import open_store

from .events import ClientEvent, Output, Reason, RulesRead, RulesRejected, ServeEvent, Started, Stopped
from .json_output import JSONOutput
from .options import ServeOptions
from .serve import Run
from .signals import signals
from .terminal import Terminal

if TYPE_CHECKING:
    from smtpfix.web.settings import WebSettings

LENGTH: Final = struct.Struct(">I")
"""Stands in front of each event's octets: whoever prints them prints no half of one."""
HELD_BACK: Final = (signal.SIGINT, signal.SIGTERM)
"""Signals that a process hears only once it has handlers for them."""
_TICK: Final = 0.2
"""Seconds between two looks at whether the process above is there."""


@dataclass(frozen=True, slots=True)
class Ready:
    """All servers of a worker listen, or the web server does."""

    said: bytes
    """What is to be printed; the web server's URL."""
    emitted: str = ""
    """The settings for an application, where they were asked for."""
    port: int = 0
    """The web server's."""


@dataclass(frozen=True, slots=True)
class Done:
    """A worker has ended in order."""

    unused_rules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Failed:
    """It cannot start, or cannot go on."""

    why: str


@dataclass(frozen=True, slots=True)
class Job:
    """What a worker has to do."""

    options: ServeOptions
    number: int
    counts: memoryview
    """Memory that both share, so that a death loses none: how many messages were accepted, how many sessions began, and
    how many clients are there."""
    listening: tuple[Sequence[socket.socket], ...]
    """The sockets of each server."""
    web: str | None
    """The web server's URL."""
    pid: int
    """The process above."""
    tells_of_rules: bool
    """Whether it is the one that says that a file of rules was read."""
    is_successor: bool
    """Whether it takes the place of another one."""


class Page(io.TextIOWrapper):
    """A stream that keeps what is written until it is taken; it looks like another one to whoever writes."""

    def __init__(self, like: TextIO, descriptor: int) -> None:
        self._octets = io.BytesIO()
        self._is_terminal = like.isatty()
        self._descriptor = descriptor
        super().__init__(self._octets, getattr(like, "encoding", None) or "utf-8", getattr(like, "errors", None), "\n")

    def isatty(self) -> bool:
        """Return whether the other one is a terminal."""
        return self._is_terminal

    def fileno(self) -> int:
        """Return the pipe that leads to the other one."""
        return self._descriptor

    def take(self) -> bytes:
        """Return what was written, once."""
        self.flush()
        taken = self._octets.getvalue()
        self._octets.seek(0)
        self._octets.truncate()
        return taken


def output_on(page: Page, options: ServeOptions, worker: int | None = None) -> Output:
    """Return what writes events on a page, as options say."""
    if options.as_json:
        return JSONOutput(page, worker)
    return Terminal(page, worker, shows_text=options.show == "text")


class Line:
    """What the process above is told by."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def tell(self, what: Ready | Done | Failed) -> None:
        """Tell it; where it is gone, nobody listens."""
        with self._lock, suppress(OSError):
            self._connection.send(what)


class _Relay:
    """An output that leads to the process above."""

    def __init__(self, job: Job, page: Page, line: Line, emitted: io.StringIO) -> None:
        self._job = job
        self._page = page
        self._line = line
        self._emitted = emitted
        self._output = output_on(page, job.options, job.number)

    def show(self, event: ServeEvent) -> None:
        """Send an event on its way."""
        if isinstance(event, Stopped):
            self._line.tell(Done(event.unused_rules))
            return
        if isinstance(event, RulesRead | RulesRejected) and not self._job.tells_of_rules:
            return
        self._output.show(event)
        said = self._page.take()
        if isinstance(event, Started):
            self._line.tell(Ready(said, self._emitted.getvalue()))
            return
        data = memoryview(LENGTH.pack(len(said)) + said)
        while data:
            data = data[os.write(self._page.fileno(), data) :]


class _HandedServer(Server[Any]):
    """A server whose sockets were opened by the process above."""

    def __init__(self, policy: ServerPolicy, listening: Sequence[socket.socket], **others: Any) -> None:
        super().__init__(policy, **others)
        self._handed = list(listening)

    def _listen(self) -> list[socket.socket]:
        return self._handed


class _WorkerRun(Run):
    def __init__(self, job: Job, page: Page, line: Line) -> None:
        emitted = io.StringIO()
        super().__init__(job.options, page, emitted, _Relay(job, page, line, emitted))
        self._job = job
        self._line = line
        self._listening = iter(job.listening)

    def new_server(self, policy: ServerPolicy, **others: Any) -> Server[Any]:
        return _HandedServer(policy, next(self._listening), **others)

    def show_on_web(self, authority: Authority | None, opened: ExitStack) -> str | None:  # noqa: ARG002 - another process does
        if self._job.is_successor:
            self.read_rules_soon()
        return self._job.web

    @property
    def pid(self) -> int:
        return self._job.pid

    def end(self, reason: Reason) -> None:
        super().end(reason)
        self._events.put(None)  # to wake the main thread

    def count(self, event: ClientEvent) -> None:
        super().count(event)
        counts = self._job.counts
        counts[0], counts[1], counts[2] = self._accepted, self._sessions, self._connected


def work(job: Job, like: TextIO, text: int, told: Connection) -> None:
    """Serve, in a process of its own, until SIGTERM or the end of the process above."""
    line = Line(told)
    run = _WorkerRun(job, Page(like, text), line)
    with signals(run.end, None if job.options.rules_file is None else run.read_rules_soon):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the process above says when it is over
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD_BACK)
        try:
            run.run()
        except SMTPFixError as error:
            line.tell(Failed(str(error)))


def show_on_web(settings: WebSettings, store: str, told: Connection, pid: int, authority: Path | None) -> None:
    """Show a store on the web, in a process of its own, until SIGTERM or the end of the process above."""
    from smtpfix.web.runner import WebServer  # noqa: PLC0415 - few servers show mail

    from .web_settings import https_context  # noqa: PLC0415 - as above

    line, ended = Line(told), threading.Event()

    def end(_: Reason) -> None:
        ended.set()

    with signals(end, None):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD_BACK)
        try:
            kept = open_store(store)
            try:
                with ExitStack() as opened:
                    own = opened.enter_context(Authority(authority)) if settings.tls else None
                    web = opened.enter_context(WebServer(kept, settings, tls=https_context(settings, own)))
                    line.tell(Ready(web.url.encode(), port=web.port))
                    while not ended.wait(_TICK) and os.getppid() == pid:
                        pass
            finally:
                kept.close()
        except (SMTPFixError, OSError) as error:
            line.tell(Failed(str(error)))
