"""`smtpfix serve --workers N`: processes that share each port, and their parent, which prints and replaces them.

This one has no threads, so that it can fork at any time: it opens all sockets, which stay while workers come and go,
and prints what workers tell, whole events at a time.
"""

from __future__ import annotations

import math
import mmap
import multiprocessing
import os
import select
import signal
import socket
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from multiprocessing.context import ForkContext, ForkProcess
from pathlib import Path
from typing import Final, TextIO

from smtpfix.clock import monotonic
from smtpfix.pki.authority import Authority
from smtpfix.wire.listen import listen_together

from .child import READ_SIZE, Child, Counts
from .emit import emit
from .events import Reason, ServeEvent, Stopped, WorkerDied
from .options import ServeOptions
from .outlet import Outlet
from .pipe import complain, reader_is_gone
from .serve import FAREWELL, CannotServeError
from .signals import signals
from .worker import HELD_BACK, Job, Page, output_on, show_on_web, work

_TICK: Final = 0.05
"""Seconds between two looks for signals and for the output's reader."""
_GATHER: Final = 0.005
"""Seconds in which what workers say may gather: to wake for each event would take CPU away from them."""
_END: Final = 3.0
"""Seconds that workers have to end where no signal asks for more haste."""
_LAST_WORDS: Final = 0.2
"""Seconds that the output has at the end."""
_MOST_DEATHS: Final = 10
"""Workers that may die within `_DEATHS_COUNT` seconds and be replaced."""
_DEATHS_COUNT: Final = 10.0


def serve_together(options: ServeOptions, stream: TextIO, settings: TextIO | None = None) -> int:
    """Serve with several processes until something ends it, and return the exit status, as `serve` does."""
    crew = _Crew(options, stream, settings)
    with signals(crew.end, None if options.rules_file is None else crew.read_rules):
        return crew.run()


class _Crew:
    """The processes of one run, and what they have done together."""

    def __init__(self, options: ServeOptions, stream: TextIO, settings: TextIO | None) -> None:
        self._options = options
        self._stream = stream
        self._settings = settings
        self._outlet = Outlet(stream.fileno())
        self._page = Page(stream, self._outlet.descriptor)
        self._output = output_on(self._page, options)
        self._fork: ForkContext = multiprocessing.get_context("fork")
        self._sockets: list[tuple[list[socket.socket], ...]] = []
        """Each worker's, and each server's of it."""
        self._places: list[Child] = []
        """The workers, each in its place."""
        self._web: Child | None = None
        self._store: str | None = options.store
        self._authority: Path | None = options.authority
        self._numbers = 0
        self._gone = Counts()
        """What those have done that are gone."""
        self._deaths: list[float] = []
        self._unused: list[tuple[str, ...]] = []
        """Of each worker that is gone; of one that died, who knows."""
        self._reason: Reason | None = None
        self._failure: str | None = None

    def end(self, reason: Reason) -> None:
        """Let it end soon; the first reason counts."""
        self._reason = self._reason or reason

    def read_rules(self) -> None:
        """Let all workers read the file of rules again."""
        for child in self._places:
            if child.process.is_alive():
                os.kill(child.process.pid or 0, signal.SIGHUP)

    def run(self) -> int:
        with ExitStack() as opened:
            if self._reason is None:
                self._start(opened)
            self._watch()
            self._close()
        total = self._total()
        unused = self._unused_rules()
        self._show(Stopped(self._reason or Reason.FAILED, total.accepted, total.sessions, unused))
        self._flush(_LAST_WORDS)
        if self._failure is not None:
            raise CannotServeError(self._failure)
        is_waiting = self._options.exit_after is not None and total.accepted < self._options.exit_after
        return 1 if is_waiting and self._reason is Reason.TIMEOUT else 0

    # From start to end

    def _start(self, opened: ExitStack) -> None:
        """Start every process, and say so once all are there."""
        options = self._options
        is_page_in_tls = options.web is not None and options.web.tls
        if is_page_in_tls or any(policy.uses_tls for policy in options.policies):
            if self._authority is None:
                self._authority = _temporary(opened)
            Authority(self._authority, key_type=options.key_type).close()
        if options.web is not None:
            from .web import warn  # noqa: PLC0415 - few servers show mail

            warn(options.web)
            self._store = self._store or str(_temporary(opened) / "mail.db")
        servers = [listen_together(one.host, one.port, options.workers) for one in options.policies]
        for some in (one for server in servers for one in server):
            for one in some:
                opened.callback(one.close)
        self._sockets = list(zip(*servers, strict=True))
        if options.web is not None and self._store is not None:
            self._web = self._start_web(options.web.port)
            self._await([self._web])
        for place in range(options.workers if self._reason is None else 0):
            self._places.append(self._start_worker(place))
        self._await(self._places)
        if self._reason is None and (first := self._places[0].ready) is not None:
            self._outlet.add(first.said)
            if options.emit is not None and self._settings is not None:
                emit(first.emitted, self._settings)

    def _await(self, children: list[Child]) -> None:
        """Wait until these are ready; where one cannot be, it ends."""
        while self._reason is None and not all(child.ready for child in children):
            self._turn(children, prints=False)
            for child in children:
                if child.ready is None and (child.failed or not child.process.is_alive()):
                    child.hear()
                    self._fail(child.failed or f"a process ended at its start, by {child.status}")

    def _watch(self) -> None:
        timeout = self._options.timeout
        deadline = monotonic() + (math.inf if timeout is None else timeout)
        enough_since: float | None = None
        while self._reason is None:
            self._turn([*self._places, *([self._web] if self._web is not None else [])])
            self._replace_dead()
            now, total = monotonic(), self._total()
            if enough_since is None and total.accepted >= (self._options.exit_after or math.inf):
                enough_since = now
            if enough_since is not None and (not total.connected or now > enough_since + FAREWELL):
                self.end(Reason.ENOUGH)
            elif now >= deadline:
                self.end(Reason.TIMEOUT)
            elif reader_is_gone(self._stream):
                self.end(Reason.OUTPUT_CLOSED)

    def _close(self) -> None:
        """Let all end, and hear them to their end."""
        children = [*self._places, *([self._web] if self._web is not None else [])]
        for child in children:
            child.process.terminate()
        deadline = monotonic() + _END
        while any(child.process.is_alive() for child in children):
            self._turn([child for child in children if child.process.is_alive()])
            if monotonic() > deadline:
                for child in children:
                    child.process.kill()
                self._fail("a process did not end, and was killed")
                deadline = math.inf
        for child in children:
            self._part(child)
        self._places.clear()

    def _part(self, child: Child) -> None:
        """Take in the last of what a process has told, and let go of it."""
        child.process.join()
        child.hear()
        if child.text is not None:
            while (said := child.read()) is not None:
                self._outlet.add(said)
            self._gone = self._gone.plus(child.counts._replace(connected=0))
            self._unused.append(() if child.done is None else child.done.unused_rules)
        if child.failed is not None:
            self._fail(child.failed)
        child.close()

    # Processes

    def _start_worker(self, place: int) -> Child:
        self._numbers += 1
        options = self._options
        policies = tuple(
            one.replace(port=opened[0].getsockname()[1], max_octets=max(1, one.max_octets // options.workers))
            for one, opened in zip(options.policies, self._sockets[place], strict=True)
        )
        wanted = replace(
            options,
            policies=policies,
            authority=self._authority,
            max_memory=max(1, options.max_memory // options.workers),
            store=self._store,
            web=None,
            exit_after=None,
            timeout=None,
            emit=options.emit if self._numbers == 1 else None,
        )
        counts = memoryview(mmap.mmap(-1, 3 * 8)).cast("q")
        job = Job(
            wanted,
            self._numbers,
            counts,
            self._sockets[place],
            None if self._web is None or self._web.ready is None else self._web.ready.said.decode(),
            os.getpid(),
            tells_of_rules=place == 0,
            is_successor=self._numbers > options.workers,
        )
        text, text_end = os.pipe()
        told, told_end = self._fork.Pipe(duplex=False)
        not_its = [text, told.fileno(), *self._ends()]

        def begin() -> None:
            self._let_go(not_its)
            work(job, self._stream, text_end, told_end)

        process = self._forked(begin)
        os.close(text_end)
        told_end.close()
        return Child(process, told, text, job.number, counts)

    def _start_web(self, port: int) -> Child:
        settings, store, pid = self._options.web, self._store, os.getpid()
        if settings is None or store is None:  # pragma: no cover - for mypy
            raise AssertionError
        authority = self._authority
        told, told_end = self._fork.Pipe(duplex=False)
        not_its = [told.fileno(), *self._ends()]

        def begin() -> None:
            self._let_go(not_its)
            for one in (one for place in self._sockets for some in place for one in some):
                one.close()
            show_on_web(replace(settings, port=port), store, told_end, pid, authority)

        process = self._forked(begin)
        told_end.close()
        return Child(process, told)

    def _ends(self) -> list[int]:
        children = [*self._places, *([self._web] if self._web is not None else [])]
        return [number for child in children for number in child.ends()]

    def _let_go(self, not_its: list[int]) -> None:
        """Close, in a process that has begun, what another one waits for the end of."""
        for number in not_its:
            os.close(number)
        if self._settings is not None:
            emit("", self._settings)

    def _forked(self, begin: Callable[[], None]) -> ForkProcess:
        """Start a process that hears signals once it has handlers for them."""
        process = self._fork.Process(target=begin, daemon=True)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, HELD_BACK)
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return process

    def _replace_dead(self) -> None:
        """Put others in the place of those that are gone."""
        if self._reason is not None:
            return
        for place, child in enumerate(tuple(self._places)):
            if child.process.is_alive():
                continue
            status = child.status
            self._places.remove(child)
            self._part(child)
            if self._reason is not None or self._die_too_often():
                return
            self._places.insert(place, self._start_worker(place))
            self._show(WorkerDied(child.number, status, self._numbers, datetime.now(UTC)))
        if self._web is not None and not self._web.process.is_alive():
            gone, self._web = self._web, None
            complain(f"the web server ended by {gone.status}; another one takes its place")
            port = 0 if gone.ready is None else gone.ready.port
            self._part(gone)
            if self._reason is None and not self._die_too_often():
                self._web = self._start_web(port)

    def _die_too_often(self) -> bool:
        now = monotonic()
        self._deaths = [one for one in self._deaths if one > now - _DEATHS_COUNT] + [now]
        if len(self._deaths) > _MOST_DEATHS:
            self._fail(f"{len(self._deaths)} processes have died within {_DEATHS_COUNT:g} s")
        return self._reason is not None

    def _fail(self, why: str) -> None:
        self._failure = self._failure or why
        self.end(Reason.FAILED)

    # Numbers

    def _total(self) -> Counts:
        total = self._gone
        for child in self._places:
            total = total.plus(child.counts)
        return total

    def _unused_rules(self) -> tuple[str, ...]:
        """Return the rules that answered in no worker, in the order in which they were given."""
        return tuple(rule for rule in next(iter(self._unused), ()) if all(rule in some for some in self._unused))

    # What is printed

    def _show(self, event: ServeEvent) -> None:
        self._output.show(event)
        self._outlet.add(self._page.take())

    def _turn(self, children: list[Child], *, prints: bool = True) -> None:
        """Wait for one of some processes, or for the output's reader, and take in or print what is there."""
        poll = select.poll()
        texts: dict[int, Child] = {}
        for child in children:
            poll.register(child.told.fileno(), select.POLLIN)
            poll.register(child.process.sentinel, select.POLLIN)
            if prints and child.text is not None and not self._outlet.is_full:
                texts[child.text] = child
                poll.register(child.text, select.POLLIN)
        if not self._outlet.is_empty:
            poll.register(self._outlet.descriptor, select.POLLOUT)
        ready = {number for number, _ in poll.poll(_TICK * 1000)}
        for child in children:
            if child.told.fileno() in ready:
                child.hear()
        said = [texts[number].read() or b"" for number in ready & texts.keys()]
        for one in said:
            self._outlet.add(one)
        self._flush(0)
        if said and sum(map(len, said)) < READ_SIZE:
            time.sleep(_GATHER)

    def _flush(self, seconds: float) -> None:
        """Write what waits, as far as that can be done at once, or within so many seconds."""
        try:
            if not self._outlet.write(seconds) and seconds:
                complain("nobody read the output: not everything was shown")
        except BrokenPipeError:
            self.end(Reason.OUTPUT_CLOSED)
        except OSError as error:
            self._fail(f"cannot write to standard output: {error.strerror}")


def _temporary(opened: ExitStack) -> Path:
    return Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="smtpfix-")))
