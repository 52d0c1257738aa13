"""`Conversation`: one session of any protocol, from its start to its end, as a `wire.channel.Listener`.

It stands between the channel and a protocol's commands: it greets, begins TLS, takes lines off the buffer, lets rules
have their say, and ends. Synchronous: a timer runs only where a rule waits. What a line means is the protocol's.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, Protocol, cast

from smtpfix.clock import monotonic
from smtpfix.record.recorder import Recorder
from smtpfix.record.session_end import SessionEnd
from smtpfix.record.transcript import EARLY, Kind
from smtpfix.rules.stages import CONNECT, GREETING
from smtpfix.tls.recognising import looks_like_tls
from smtpfix.wire.channel import Channel

from .connection import AnswerT, Connection, Perform
from .lines import SHOWN, TOO_LONG, Lines
from .login import Login
from .player import Place, Player
from .service import Service
from .upgrade import Upgrade

if TYPE_CHECKING:
    from smtpfix.rules.edits import AnswerEdit
    from smtpfix.tls.facts import TLSFailure
    from smtpfix.tls.side import TLSSide

    from .proxied import HeaderFirst

_EXCERPT: Final = 60
"""Octets of clear text in the place of TLS that the reason shows."""
_TURN: Final = 500
"""Commands that one connection may have answered before the others get their turn, and closing too."""
_TURN_TIME: Final = 0.02
"""Seconds after which it is the others' turn as well."""
_FIRST_RECORD: Final = 0x14
_LAST_RECORD: Final = 0x17
"""Types of TLS records (RFC 8446 section 5.1): no line begins with these."""
_UNTIMED: Final = 4
"""Commands of a turn that are answered without looking at the clock: what most clients say at once."""


class Incoming(Protocol):
    """What comes by its octets and not by lines, such as a message."""

    size: int
    """Octets that have come."""

    def take(self, buffer: bytearray) -> bool:
        """Take what is there; return whether the end was in it. What follows the end is left."""


class Conversation(Connection[AnswerT], Generic[AnswerT]):
    """One session."""

    login_kind: ClassVar[type[Login[Any]]]
    """How clients log in."""
    login_command: ClassVar[bytes] = b"AUTH "
    """How a command begins that carries a login, in upper case."""

    def __init__(
        self, service: Service, channel: Channel, recorder: Recorder, ended: Callable[[Conversation[AnswerT]], None]
    ) -> None:
        self.service = service
        self.policy = service.policy
        self.channel = channel
        self.recorder = recorder
        self.has_detour = False
        self.incoming: Incoming | None = None
        """What is being read that is no line; None between commands."""
        self._ended = ended
        self._closing = service.closing
        self._rulebook = service.rulebook
        self._greeting: AnswerT | None = None
        """What a rule has in place of the server's own."""
        self._is_mute = False
        self._has_greeted = False
        self._begun: Upgrade | None = None
        self.named: Callable[[], None] | None = None
        """Is told once a proxy has said whose the session is."""
        self._header_first: HeaderFirst | None = None
        """What waits for the PROXY protocol header."""
        self.player = Player(self)
        self.login: Login[AnswerT] = self.login_kind(self)
        self.lines = Lines(service.policy.command_limit, self.login_command, recorder, self.login.is_stray_answer)

    # What only the protocol knows

    @abstractmethod
    def greeting(self) -> AnswerT:
        """Return what the server greets with."""

    @abstractmethod
    def command(self, line: bytes) -> None:
        """Record a command line, which has come without its LF, and answer it."""

    @abstractmethod
    def line_too_long(self) -> None:
        """Answer a line that was over its limit, and is gone."""

    @abstractmethod
    def timed_out(self) -> None:
        """Say that the client has been silent for too long, and end the session."""

    def may_read_on(self, incoming: Any, buffer: bytearray) -> bool:  # noqa: ARG002 - for protocols with contents
        """Let rules inside of what comes by its octets have their say; return whether to read on."""
        return True

    def incoming_ended(self, incoming: Any) -> None:
        """Answer what came by its octets, now that it is complete."""
        raise NotImplementedError

    def secured(self) -> None:
        """Note that the session is inside TLS from its beginning."""

    def released(self) -> None:
        """Let go of what the session holds: the connection is gone."""

    def resume(self) -> None:
        """Go on with answers that were due when a rule held them back."""

    # What the channel tells

    def connected(self) -> None:
        """Greet, or begin TLS first; or, before either, wait for a PROXY protocol header."""
        if self.policy.proxy_protocol:
            from .proxied import HeaderFirst  # noqa: PLC0415 - few servers stand behind a proxy

            self._header_first = HeaderFirst(self)
            self.has_detour = True
            return
        self._open()
        self.channel.flush()

    def _open(self) -> None:
        """Greet, or begin TLS first; or let the rules have their say on a client that is there."""
        if self._rulebook.by_stage:
            self.at_stage(CONNECT, self.recorder.client[0], self._begin)
        elif self.service.tls_on_connect:
            self._begin(None)
        else:
            self.greet()

    def _begin(self, forced: AnswerT | None) -> None:
        """Greet, or begin TLS first, with what has come behind the proxy's header.

        A rule may have another greeting, or none.
        """
        self._greeting = forced
        self._is_mute = self.player.is_silent
        if not self.service.tls_on_connect or not self.upgrade.begin(bytes(self.channel.received)):
            self.greet()

    def readable(self) -> None:
        """Take everything that can be taken from what has come, then send the answers."""
        channel = self.channel
        buffer = channel.received
        if self._closing.has_begun:
            return  # a turn each of hundreds of clients would take longer than closing may
        if self.has_detour and self._take_detour(buffer):
            return
        player, login = self.player, self.login
        taken, until = 0, 0.0
        while buffer and not (player.is_holding or player.is_stalled or channel.is_closing or channel.is_blocked):
            if taken >= _UNTIMED:
                until = until or monotonic() + _TURN_TIME
                if taken == _TURN or monotonic() > until:
                    player.hold(0, _go_on)
                    break
            taken += 1
            if (incoming := self.incoming) is not None:
                if (self._rulebook.by_stage and not self.may_read_on(incoming, buffer)) or not incoming.take(buffer):
                    break
                if buffer:
                    self.recorder.follow()
                self.incoming_ended(incoming)
                continue
            if _FIRST_RECORD <= buffer[0] <= _LAST_RECORD and self._is_tls(buffer):
                if self.upgrade.meet_tls_in_clear(buffer):
                    continue
                break
            in_login = login.is_running
            line = self.lines.take(buffer, in_login=in_login)
            if line is None:
                break
            if line is TOO_LONG:
                self.line_too_long()
                continue
            if buffer:
                self.recorder.follow()
            if in_login:
                login.answer(line)
            else:
                self.command(line)
        channel.flush()

    def _take_detour(self, buffer: bytearray) -> bool:
        """Do what comes before any command in a session that is not like most; return whether there is nothing else."""
        if self._header_first is not None:
            if not self._header_first.take(buffer):
                return True
            self._header_first = None
            if self.named is not None:
                self.named()
            self._open()
        if self._begun is not None and self._begun.instead is not None:
            self._begun.instead.take(buffer)
            return True
        if self.player.is_stalled:
            buffer.clear()
            self.channel.flush()
            return True
        self.resume()
        return False

    def tls_established(self, tls: TLSSide) -> None:
        """Forget what was said in clear (RFC 3207 section 4.2) and go on in TLS."""
        recorder = self.recorder
        recorder.client_hello = tls.hello_octets
        recorder.tls = info = tls.info(self.upgrade.command)
        recorder.alerts = tls.alerts
        recorder.note(f"TLS begins: {info.version}, {info.cipher}, server name {info.server_name or 'not asked for'}")
        if self.service.tls_on_connect:
            self.login.tls = tls
            self.secured()
            self.greet()
        else:
            self.forget()
            self.login.tls = tls
            self.channel.received[:0] = self.upgrade.take_kept()
        self.channel.flush()

    @property
    def upgrade(self) -> Upgrade:
        """How TLS begins; few clients of a server in clear ask for it."""
        if self._begun is None:
            self._begun = Upgrade(self)
        return self._begun

    def tls_failed(self, tls: TLSSide, failure: TLSFailure, *, clear_text: bool) -> None:
        """Record why there is no TLS."""
        recorder = self.recorder
        recorder.client_hello = tls.hello_octets
        recorder.alerts = tls.alerts
        why = failure.reason
        if clear_text:
            why += f": {recorder.excerpt(tls.first_octets, _EXCERPT)}"
        elif self.service.tls_on_connect and not tls.first_octets:
            why += "; it sent nothing, perhaps waiting for a greeting in clear"
        recorder.tls_failure = replace(failure, reason=why)
        if clear_text:
            recorder.add_stray(tls.first_octets[:SHOWN])
        recorder.note(why)
        recorder.finish(SessionEnd.CLEAR_INSTEAD_OF_TLS if clear_text else SessionEnd.HANDSHAKE_FAILED)

    def lost(self, error: Exception | None) -> None:
        """Record the end."""
        is_held = self.player.is_holding
        self.player.stop()
        self.released()
        if self.login.is_open:
            self.login.end()
        self.recorder.finish(SessionEnd.RESET if error is not None else SessionEnd.CLIENT_CLOSED)
        self._ended(self)
        if not is_held:  # otherwise whoever holds the session comes back to it
            self.let_go()

    def let_go(self) -> None:
        """Let go of the rooms, which have this session: without circles its memory is free at once.

        Otherwise it is free when Python's collector has come by, which costs more than a message.
        """
        del self.player, self.login, self.lines
        self.incoming = self._begun = self._header_first = None

    # What the server tells

    def shut_down(self) -> None:
        """End at once: the server closes."""
        self.recorder.finish(SessionEnd.SERVER_CLOSED)
        self.channel.abort()

    def dismiss(self, end: SessionEnd) -> None:
        """End the session of a client that idles, in order: the server does not want to go on."""
        self.end(end)

    @property
    def is_idle(self) -> bool:
        """Whether the client has its answers, and the server waits for a command."""
        return self.is_free and not (
            self._header_first is not None
            or self.incoming is not None
            or (self._begun is not None and self._begun.instead is not None)
            or self.channel.is_handshaking
            or self.channel.is_blocked
            or self.channel.is_dripping
        )

    def check_time(self, now: float) -> None:
        """End a session that has been silent, or handshaking, for too long; `now` by the monotonic clock."""
        channel = self.channel
        if channel.is_closing:
            if now - channel.last_active > 2 * self.policy.timeout:  # it does not read what was due to it at the end
                channel.abort()
        elif self.player.is_holding:
            return
        elif self._header_first is not None:
            if now - self._header_first.began > self.policy.handshake_timeout:
                self._header_first.give_up()
        elif channel.is_handshaking:
            limit = self.policy.handshake_timeout
            if now - self.upgrade.began > limit:
                channel.fail_handshake(f"the TLS handshake was not complete within {limit:g} s")
        elif now - channel.last_active <= self.policy.timeout:
            return
        elif self.player.is_stalled or (self._begun is not None and self._begun.instead is not None):
            self.end(SessionEnd.TIMEOUT)
        else:
            self.timed_out()

    def _is_tls(self, buffer: bytearray) -> bool:
        """Return whether TLS begins here, where a line would, or goes on where it has begun in vain."""
        if self.lines.is_skipping or self.channel.in_tls:
            return False
        if self._begun is not None and self._begun.goes_on_in_clear:
            return len(buffer) == 1 or buffer[1] == 3  # noqa: PLR2004 - SSL 3.0 and all of TLS
        return looks_like_tls(buffer)

    # What rooms ask

    @property
    def is_free(self) -> bool:
        """Whether the session can go on: no rule holds or stalls it, and it does not end."""
        return not (self.channel.is_closing or self.player.is_holding or self.player.is_stalled)

    def at_stage(self, stage: str, argument: str, perform: Perform[AnswerT], octets: int = 0) -> None:
        """Let the rules of a stage have their say, and perform it."""
        if self._rulebook.by_stage:
            self.player.at_stage(Place(stage, argument), perform, octets)
        else:
            perform(None)

    def send(self, answer: AnswerT, end: SessionEnd = SessionEnd.REFUSED) -> None:
        """Send an answer; one that ends the session does so as `end` says."""
        if self.player.is_silent:
            self.recorder.note(f"not sent, as a rule has it: {answer}")
            return
        data = answer.encode()
        if self.player.edits:
            data = self.edited(data)
        self.recorder.add(Kind.SERVER, data)
        self.channel.write(data)
        if answer.ends_session:
            self.end(end)

    def edited(self, answer: bytes) -> bytes:
        """Return the octets of an answer as a rule has them changed."""
        for edit in self.player.edits:
            if edit.changes_answer:
                answer = cast("AnswerEdit", edit).edited(answer, self.fill)
        return answer

    def greet(self) -> None:
        """Say the greeting, or what a rule has instead."""
        own, self._greeting = self._greeting or self.greeting(), None
        if self._is_mute:
            self._is_mute = False
            self.recorder.note(f"not sent, as a rule has it: {own}")
        elif self._rulebook.by_stage:
            self.at_stage(GREETING, self.recorder.client[0], lambda forced: self._say_greeting(forced or own))
        else:
            self._say_greeting(own)

    def _say_greeting(self, greeting: AnswerT) -> None:
        """Send the greeting; a client that has not waited for the first one is noted."""
        if not self._has_greeted and not self.service.tls_on_connect:
            by_stage = self._rulebook.by_stage
            is_ruled = bool(by_stage) and (CONNECT in by_stage or GREETING in by_stage)
            early = self.channel.received or (self.channel.peek() if is_ruled else b"")
            if early and not _FIRST_RECORD <= early[0] <= _LAST_RECORD:
                self.recorder.note(EARLY.decode())
        self._has_greeted = True
        self.send(greeting)

    def forget(self, user: str | None = None) -> None:
        """Forget all that the client has said; it is this user if somebody else has said so."""
        self.login.forget(user)

    def give_up(self, said: bytes = b"") -> None:
        """Let go of what waits for its answer, such as a login: these octets stand in for it."""
        if self.login.is_open and not self.login.is_running:
            self.login.cut_short(said)

    def end(self, end: SessionEnd, *, notify: bool = True) -> None:
        """End the session in order: say what is due, and close."""
        if self.channel.is_closing:
            return
        self.recorder.finish(end)
        self.channel.close(notify=notify)


def _go_on() -> None:
    """Do nothing before going on."""
