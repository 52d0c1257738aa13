"""`smtpfix serve`: it starts the servers, shows and saves what happens in them, and ends without losing anything.

The servers' thread saves each message before it is answered, and puts events into a queue; this one, the main thread,
saves transcripts; a third shows what happens, and nothing waits for it.
"""

from __future__ import annotations

import errno
import gc
import math
import os
import queue
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

from smtpfix.clock import monotonic
from smtpfix.errors import InvalidValueError, ListenError, SMTPFixError, StoreError
from smtpfix.mail.inbox import Inbox
from smtpfix.mail.message import CapturedMessage
from smtpfix.pki.authority import Authority
from smtpfix.policy.mode import Mode
from smtpfix.policy.protocol import DEFAULT_PROTOCOL
from smtpfix.policy.rules_file import RulesFile
from smtpfix.record.session import Session
from smtpfix.record.transcript import Event
from smtpfix.rules.rule import Rule
from smtpfix.server import Server

from .emit import emit
from .event_loop import event_loop
from .events import (
    ClientEvent,
    Listening,
    MessageCaptured,
    Output,
    Reason,
    RulesRead,
    RulesRejected,
    Said,
    ServeEvent,
    SessionEnded,
    SessionStarted,
    Started,
    Stopped,
    weight,
)
from .json_output import JSONOutput
from .listening import greets_as_smtpfix
from .maildir import MaildirSaver
from .option_names import in_options
from .options import KEPT, POLICY_OPTIONS, ServeOptions
from .pipe import complain, reader_is_gone
from .printer import Printer
from .save import Saver, Saving
from .signals import signals
from .terminal import Terminal

if TYPE_CHECKING:
    from smtpfix.web.statistics import Statistics

    from .keeping import Keeper

_TICK: Final = 0.2
"""Seconds between two looks for signals, which interrupt no wait on Windows, and for the output's reader."""
FAREWELL: Final = 1.0
"""Seconds that clients have to finish their sessions after the last message asked for."""
_LAST_WORDS: Final = 0.4
"""Seconds that the output has at the end."""


class CannotServeError(SMTPFixError):
    """It cannot start, or cannot go on; the text is one line for people."""


def serve(options: ServeOptions, stream: TextIO, settings: TextIO | None = None) -> int:
    """Serve until something ends it, and return the exit status; in the main thread, for it takes the signals.

    With `ServeOptions.emit`, the first server's settings go to `settings`, and nothing else does.

    The status is 0, or 1 when the time was up before the messages asked for had come. Raises `CannotServeError`.
    """
    if options.workers > 1:
        from .workers import serve_together  # noqa: PLC0415 - few runs have any

        return serve_together(options, stream, settings)
    run = Run(options, stream, settings)
    with signals(run.end, None if options.rules_file is None else run.read_rules_soon):
        return run.run()


class Run:
    """One run: what it has to do, and how far it is."""

    def __init__(
        self, options: ServeOptions, stream: TextIO, settings: TextIO | None = None, output: Output | None = None
    ) -> None:
        """Begin; what is shown goes to the stream as options say, or to an output of its own."""
        self._options = options
        self._stream = stream
        self._settings = settings
        if output is None:
            output = JSONOutput(stream) if options.as_json else Terminal(stream, shows_text=options.show == "text")
        self._memory = options.max_memory // 4  # half of all is the inbox's, a quarter the sessions', a quarter events'
        self._printer = Printer(output, self._output_failed, self._memory // 2)
        self._put = self._taken = 0
        """Octets of events that were put into the queue, in the servers' thread, and taken out again, in this one."""
        self._saver = _saver(options.save, options.save_as) if options.save is not None else None
        self._names: dict[Server, str] = {}
        self.said = self._hear if options.verbose else None
        """What servers look for in an observer: without it they tell nobody what is said."""
        self._keeper: Keeper | None = None
        self._events: queue.SimpleQueue[ClientEvent | RulesRead | None] = queue.SimpleQueue()
        self._rules_file = options.rules_file
        self._file_rules: dict[Server, tuple[Rule, ...]] = {}
        self._reason: Reason | None = None
        self._failure: CannotServeError | None = None
        self._accepted = 0
        self._sessions = 0
        self._connected = 0
        self._enough_since: float | None = None
        self._statistics: Statistics | None = None

    def run(self) -> int:
        """Serve until something ends it, and return the exit status."""
        try:
            with ExitStack() as opened:
                if self._reason is None:  # or a signal has come before there was anything to end
                    with _without_collections(opened):
                        started = self._start(opened)
                    self._show(started)
                try:
                    self._watch()
                finally:
                    self._close(opened)
            reason = self._reason or Reason.FAILED
            self._show(Stopped(reason, self._accepted, self._sessions, self._unused_rules()))
        finally:
            has_finished = self._printer.finish(_LAST_WORDS)
        if self._printer.dropped:
            complain(f"nobody read the output: {self._printer.dropped} events were not shown")
        is_waiting = self._options.exit_after is not None and self._accepted < self._options.exit_after
        status = 1 if is_waiting and self._reason is Reason.TIMEOUT else 0
        if not has_finished:  # the interpreter would wait for the output for ever
            if self._failure is not None:
                complain(str(self._failure))
            os._exit(status if self._failure is None else 2)
        if self._failure is not None:
            raise self._failure
        return status

    # What is otherwise where several processes serve

    new_server: Callable[..., Server[Any]] = Server

    @property
    def pid(self) -> int:
        """The process that a signal ends it by."""
        return os.getpid()

    def end(self, reason: Reason) -> None:
        """Let it end soon; the first reason counts."""
        self._reason = self._reason or reason

    def read_rules_soon(self) -> None:
        """Let it read the file of rules again; may be called by a signal's handler."""
        self._events.put(None)

    # From start to end

    def _start(self, opened: ExitStack) -> Started:
        """Start every server, or none."""
        import smtpfix.smtp.grammar  # noqa: F401, PLC0415 - the violations need it: at the end there is no time for that

        policies, directory = self._options.policies, self._options.authority
        inbox = self._inbox()
        try:
            loop = opened.enter_context(event_loop(self._options.loop))
            authority = None
            is_page_in_tls = self._options.web is not None and self._options.web.tls
            if directory is not None or is_page_in_tls or any(policy.uses_tls for policy in policies):
                authority = opened.enter_context(Authority(directory, key_type=self._options.key_type))
            if self._options.store is not None or self._options.web is not None:
                self._keeper = opened.enter_context(self._keeping())
            keep = None if self._keeper is None else self._keeper.keep
            for text in dict.fromkeys(text for policy in policies for text in policy.without_effect()):
                complain(in_options(text, POLICY_OPTIONS))
            with warnings.catch_warnings(action="ignore", category=UserWarning):  # it has just been said
                servers: list[Server[Any]] = [
                    self.new_server(policy, authority=authority, inbox=inbox, observer=self, keep=keep)
                    for policy in policies
                ]
            self._names.update(zip(servers, _names(servers), strict=True))
            for server in servers:
                for rule in reversed(self._rules_of(server)):
                    server.add_rule(rule)
            if self._rules_file is not None:
                self._use_rules(self._rules_file)
            for server in servers:
                _listen(server, opened)
            web = self.show_on_web(authority, opened)
            if self._options.emit is not None and self._settings is not None:
                emit(self._options.emit.text(servers[0], self.pid), self._settings)
            for key in {files[1] for policy in policies if (files := policy.certificate_files) is not None}:
                _look_at(key)
            return Started(
                servers=tuple(_listening(server, name, self._options.hostname) for server, name in self._names.items()),
                ca_file=authority.ca_file if authority is not None else None,
                ca_is_kept=directory is not None,
                save=self._options.save,
                scenarios=self._options.scenarios,
                left_out=self._options.left_out,
                web=web,
                loop=loop if self._options.verbose else None,
                workers=self._options.workers,
            )
        except InvalidValueError as error:
            if error.field == "Policy.certificate":
                raise error.renamed("--certificate-file and --key-file") from error
            raise
        except OSError as error:
            where = directory or "a temporary directory"
            raise CannotServeError(
                f"cannot keep the authority in {where}: {error.strerror}; choose a directory that can be written"
            ) from error

    def _inbox(self) -> Inbox:
        """Return what keeps the messages: what is saved need not stay in memory."""
        if self._saver is None:
            return Inbox(KEPT, self._options.max_memory // 2)
        inbox = Inbox(1, 1)
        inbox.next_number = self._saver.next_number
        return inbox

    @contextmanager
    def _keeping(self) -> Iterator[Keeper]:
        """Open the store, and close it once what has come is there."""
        from .keeping import keeping  # noqa: PLC0415 - few servers keep messages

        retention = (self._options.keep, self._options.keep_for)
        try:
            note = None
            if self._options.web is not None:
                from smtpfix.web.statistics import Statistics  # noqa: PLC0415 - as above

                self._statistics = Statistics()
                note = self._statistics.note
            where = self._options.store
            by = self._options.mailbox_by
            with keeping(where, *retention, lambda server: self._names[server], note, mailbox_by=by) as keeper:
                yield keeper
        except StoreError as error:
            raise CannotServeError(str(error)) from error

    def show_on_web(self, authority: Authority | None, opened: ExitStack) -> str | None:
        """Start the web server, if it is wanted; return its URL."""
        settings, keeper = self._options.web, self._keeper
        if settings is None or keeper is None:
            return None
        from smtpfix.web.runner import WebServer  # noqa: PLC0415 - as above

        from .web import warn  # noqa: PLC0415 - as above
        from .web_settings import https_context  # noqa: PLC0415 - as above

        warn(settings)
        servers = {name: server for server, name in self._names.items()}
        shared = self._options.store is not None
        web = WebServer(
            keeper.store,
            settings,
            servers=servers,
            statistics=self._statistics,
            is_shared=shared,
            run=keeper.run,
            tls=https_context(settings, authority),
        )
        opened.enter_context(web)
        return web.url

    def _watch(self) -> None:
        timeout = self._options.timeout
        deadline = monotonic() + (math.inf if timeout is None else timeout)
        while self._reason is None:
            now = monotonic()
            if self._enough_since is not None and (not self._connected or now > self._enough_since + FAREWELL):
                self.end(Reason.ENOUGH)
            elif now >= deadline:
                self.end(Reason.TIMEOUT)
            elif reader_is_gone(self._stream):
                self.end(Reason.OUTPUT_CLOSED)
            else:
                self._handle_next(min(_TICK, deadline - now))

    def _close(self, opened: ExitStack) -> None:
        self.end(Reason.FAILED)
        try:
            opened.close()
        finally:  # nothing new comes now
            while self._handle_next(0):
                pass

    def _handle_next(self, timeout: float) -> bool:
        try:
            event = self._events.get(timeout=timeout)
        except queue.Empty:
            return False
        if event is None:
            self._read_rules()
            return True
        if isinstance(event, RulesRead):
            self._show(event)
            return True
        self._taken += weight(event)
        if isinstance(event, SessionEnded):
            with suppress(OSError):  # the run ends, and says so
                event = self._saved(event)
        self._show(event)
        return True

    # The file of rules

    def _read_rules(self) -> None:
        """Read the file of rules again; what is wrong with it is told, and leaves its old rules in force."""
        if self._rules_file is None or self._reason is not None:
            return
        path = self._rules_file.path
        try:
            self._rules_file = RulesFile.read(path)
        except InvalidValueError as error:
            self._show(RulesRejected(path, self._rules_file.count, datetime.now(UTC), str(error)))
            return
        self._use_rules(self._rules_file)

    def _use_rules(self, file: RulesFile) -> None:
        """Put a file's rules in the place of those it had before, on all servers."""
        for server in self._names:
            rules = file.for_server(server.policy.spoken, server.mode)
            server.use_rules(rules, instead_of=self._file_rules.get(server, ()))
            self._file_rules[server] = rules
        self._events.put(RulesRead(file.path, file.count, datetime.now(UTC)))

    def _rules_of(self, server: Server) -> tuple[Rule, ...]:
        """Return the rules of the command line for a server."""
        spoken = server.policy.spoken
        if spoken == DEFAULT_PROTOCOL:
            return self._options.rules
        return tuple(rule for protocol, rule in self._options.reader_rules if protocol == spoken)

    def _unused_rules(self) -> tuple[str, ...]:
        """Return the rules of the command line and of the file, as it is now, that answered on no server."""
        given = (*self._options.rules, *(rule for _, rule in self._options.reader_rules))
        asked = dict.fromkeys((*given, *(rule for some in self._file_rules.values() for rule in some)))
        return tuple(str(rule.written) for rule in asked if not any(server.fired(rule) for server in self._names))

    def _saved(self, event: ClientEvent) -> ClientEvent:
        """Save what came to an end. Raises `OSError`, once it has seen to it that the run ends."""
        if self._saver is None:
            return event
        try:
            return self._saver.save(event)
        except OSError as error:
            self._fail(f"cannot go on saving in {self._options.save}: {error.strerror}; make room or fix it", error)
            raise

    def _show(self, event: ServeEvent) -> None:
        self._printer.show(event, may_wait=self._may_wait)

    def _may_wait(self) -> bool:
        """Return whether a slow reader may be waited for: what happens meanwhile has to be kept somewhere."""
        return self._reason is None and self._put - self._taken < self._memory // 2

    def _tell(self, event: ClientEvent) -> None:
        """Count it, and let the main thread know; in the servers' thread."""
        self.count(event)
        self._put += weight(event)
        self._events.put(event)

    def count(self, event: ClientEvent) -> None:
        """Count what happens, before the client hears of it; in the servers' thread."""
        match event:
            case SessionStarted():
                self._sessions += 1
                self._connected += 1
            case SessionEnded():
                self._connected -= 1
            case MessageCaptured(message=message) if message.accepted:
                self._accepted += 1
                if self._accepted == self._options.exit_after:
                    self._enough_since = monotonic()
            case _:
                pass

    def _output_failed(self, error: OSError) -> None:
        if isinstance(error, BrokenPipeError):
            self.end(Reason.OUTPUT_CLOSED)
        else:
            self._fail(f"cannot write to standard output: {error.strerror}", error)
        self._events.put(None)  # to wake the main thread

    def _fail(self, text: str, cause: OSError) -> None:
        if self._failure is None:
            failure = CannotServeError(text)
            failure.__cause__ = cause
            self._failure = failure
        self.end(Reason.FAILED)

    # The observer, in the servers' thread

    def session_started(self, server: Server, session: Session) -> None:
        """Tell it."""
        self._tell(SessionStarted(self._names[server], session))

    def _hear(self, server: Server, session: int, event: Event) -> None:
        self._tell(Said(self._names[server], session, datetime.now(UTC), event))

    def message_captured(self, server: Server, message: CapturedMessage) -> None:
        """Save it, and tell it. Raises `OSError` where it cannot be saved."""
        event = MessageCaptured(self._names[server], server.mode, message)
        try:
            self._tell(self._saved(event))
        except OSError:
            self._tell(event)
            raise  # so that the client is not told that it is accepted

    def session_ended(self, server: Server, session: Session) -> None:
        """Keep it, and tell it."""
        if self._keeper is not None:
            self._keeper.put(server, session)
        self._tell(SessionEnded(self._names[server], session))


@contextmanager
def _without_collections(opened: ExitStack) -> Iterator[None]:
    """Have Python look for no garbage during the start, nor later among what it made, which stays until the end."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        opened.callback(gc.unfreeze)
        if collects:
            gc.enable()


def _listen(server: Server, opened: ExitStack) -> None:
    """Start a server. Raises `CannotServeError`, which says so where the port is another ``smtpfix serve``'s."""
    try:
        opened.enter_context(server)
    except ListenError as error:
        text, place = error.strerror or str(error), server.policy
        if error.errno == errno.EADDRINUSE and place.port and greets_as_smtpfix(place.host, place.port):
            text = text.replace("another program does", "another smtpfix does")
        raise CannotServeError(text) from error


def _look_at(key: Path) -> None:
    """Say so where others can read or write the user's own key; in a repository of tests that may well be meant."""
    if os.name != "nt" and key.stat().st_mode & 0o077:
        complain(f"others can read or write the key {key}; use one that protects nothing else")


def _saver(directory: Path, way: str) -> Saving:
    try:
        return MaildirSaver(directory) if way == "maildir" else Saver(directory)
    except OSError as error:
        raise CannotServeError(
            f"cannot save in {directory}: {error.strerror}; choose a directory that can be written"
        ) from error


def _names(servers: Sequence[Server]) -> Iterator[str]:
    """Name each server as `--listen` has it, and tell those of the same name apart: plain, plain-2, lmtp, pop3."""
    count: Counter[str] = Counter()
    for server in servers:
        name = str(server.mode)
        protocol = server.policy.spoken
        if protocol == DEFAULT_PROTOCOL:
            protocol = server.policy.protocol
        if protocol != DEFAULT_PROTOCOL:
            name = protocol if server.mode is Mode.PLAIN else f"{protocol}+{name}"
        count[name] += 1
        yield f"{name}-{count[name]}" if count[name] > 1 else name


def _listening(server: Server, name: str, hostname: str | None) -> Listening:
    addresses = tuple(address for address, _ in server.addresses)
    connect = server.host if server.host != server.place.host else None
    ca_file = server.ca_file if server.policy.uses_tls else None
    if server.policy.unix_socket is not None:
        return Listening(name, server.policy, server.host, server.port, addresses)
    return Listening(name, server.policy, server.place.host, server.port, addresses, connect, ca_file, hostname)
