"""One SMTP session: policy, rules and record around the engine; the only place that knows the stage.

It sees every command before anything acts on it, and every reply before it leaves. Synchronous: a timer runs only where
a rule waits. What a command is answered is `commands`' to say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from smtpfix.conversation.host import Perform
from smtpfix.conversation.login import Login
from smtpfix.conversation.player import Player
from smtpfix.conversation.service import Service
from smtpfix.conversation.upgrade import Upgrade
from smtpfix.record.recorder import Recorder
from smtpfix.record.session import SessionEnd
from smtpfix.record.transcript import Kind
from smtpfix.rules import reply as replies
from smtpfix.rules.reply import Reply
from smtpfix.rules.rule import BDAT, CONNECT, GREETING, UNKNOWN, Moment
from smtpfix.smtp.credentials import carries_credential
from smtpfix.tls.client_hello import looks_like_tls
from smtpfix.tls.facts import TLSFailure
from smtpfix.tls.side import TLSSide
from smtpfix.wire.channel import Channel

from .commands import HELLOS, KNOWN, Commands
from .delivery import Delivery
from .lines import SHOWN, TOO_LONG, Lines, against_grammar, malformed

if TYPE_CHECKING:
    from .forwarding import HeaderFirst

_WITHOUT_CREDENTIAL: Final = KNOWN - {"AUTH"}
_SHOWN: Final = 60
"""Octets of clear text in the place of TLS that the reason shows."""
_TURN: Final = 500
"""Commands that one connection may have answered before the others get their turn, and closing too."""


class Conversation:
    """One session, from connecting to the end; a `channel.Listener`."""

    def __init__(
        self, service: Service, channel: Channel, recorder: Recorder, ended: Callable[[Conversation], None]
    ) -> None:
        self.recorder = recorder
        self._ended = ended
        self._service = service
        self._policy = service.policy
        self._rulebook = service.rulebook
        self._channel = channel
        self.engine = service.engine.fresh()
        self._enhanced = self._policy.has("ENHANCEDSTATUSCODES")
        self._is_usual = service.is_usual
        self.has_detour = False
        self._greeting: Reply | None = None
        """What a rule has in place of the server's own."""
        self._is_mute = False
        self._lines = Lines(self._policy.command_limit, recorder)
        self._login = Login(self, service, channel, recorder)
        self._player = Player(self, channel, recorder, service.loop)
        self._delivery = Delivery(self, service, channel, recorder)
        self._begun: Upgrade | None = None
        self._commands = Commands(
            self, service, channel, recorder, self._player, self._login, self._delivery, self._starttls
        )
        self._header_first: HeaderFirst | None = None
        """What waits for the PROXY protocol header."""
        self._wording = service.wording

    # What the channel tells

    def connected(self) -> None:
        """Greet, or begin TLS first; or, before either, wait for a PROXY protocol header."""
        if self._policy.proxy_protocol:
            from .forwarding import HeaderFirst  # noqa: PLC0415 - few servers stand behind a proxy

            self._header_first = HeaderFirst(self, self.recorder)
            self.has_detour = True
            return
        self._open()
        self._channel.flush()

    def _open(self) -> None:
        """Greet, or begin TLS first; or let the rules have their say on a client that is there."""
        if self._rulebook.by_stage:
            self.at_stage(CONNECT, self.recorder.client[0], self._begin)
        elif self._service.tls_on_connect:
            self._begin(None)
        else:
            self.greet()

    def _begin(self, forced: Reply | None) -> None:
        """Greet, or begin TLS first, with what has come behind the proxy's header.

        A rule may have another greeting, or none.
        """
        self._greeting = forced
        self._is_mute = self._player.is_silent
        if not self._service.tls_on_connect or not self._upgrade.begin(bytes(self._channel.received)):
            self.greet()

    def readable(self) -> None:
        """Take everything that can be taken from what has come, then send the replies."""
        channel = self._channel
        buffer = channel.received
        if self.has_detour and self._take_detour(buffer):
            return
        player = self._player
        delivery = self._delivery
        taken = 0
        while buffer and not (player.is_holding or player.is_stalled or channel.is_closing or channel.is_blocked):
            if taken == _TURN:
                player.hold(0, _go_on)
                break
            taken += 1
            if (content := delivery.incoming) is not None:
                if (self._rulebook.by_stage and not delivery.may_go_on(content, buffer)) or not content.take(buffer):
                    break
                if buffer:
                    self.recorder.follow()
                if content.is_chunk:
                    delivery.chunk_ended(content)
                else:
                    delivery.content_ended(content)
                continue
            if buffer[0] == 0x16 and self._is_client_hello(buffer):  # noqa: PLR2004 - a TLS handshake record
                self._upgrade.refuse_tls_in_clear()
                return
            in_auth = self._login.state.is_running
            line = self._lines.take(buffer, in_auth=in_auth)
            if line is None:
                break
            if line is TOO_LONG:
                self.send(self._login.state.end(replies.AUTH_LINE_TOO_LONG) if in_auth else replies.LINE_TOO_LONG)
                continue
            if buffer:
                self.recorder.follow()
            if in_auth:
                self._login.answer(line)
            else:
                self._command(line)
        channel.flush()

    def _take_detour(self, buffer: bytearray) -> bool:
        """Do what comes before any command in a session that is not like most; return whether there is nothing else."""
        if self._header_first is not None:
            if not self._header_first.take(buffer):
                return True
            self._header_first = None
            self._open()
        if self._begun is not None and self._begun.instead is not None:
            self._begun.instead.take(buffer)
            return True
        if self._player.is_stalled:
            buffer.clear()
            self._channel.flush()
            return True
        if self._delivery.answers is not None:
            self._delivery.go_on()
        return False

    def tls_established(self, tls: TLSSide) -> None:
        """Forget what was said in clear (RFC 3207 section 4.2) and go on in TLS."""
        recorder = self.recorder
        recorder.client_hello = tls.client_hello
        on_connect = self._service.tls_on_connect
        recorder.tls = info = tls.info("connect" if on_connect else "STARTTLS", recorder.client_hello)
        recorder.alerts = tls.alerts
        recorder.note(f"TLS begins: {info.version}, {info.cipher}, server name {info.server_name or 'not asked for'}")
        if on_connect:
            self._login.state.tls = tls
            self.engine.in_tls = True
            self.greet()
        else:
            self.forget()
            self._login.state.tls = tls
            self._channel.received[:0] = self._upgrade.take_kept()
        self._channel.flush()

    @property
    def _upgrade(self) -> Upgrade:
        """How TLS begins; few clients of a server in clear ask for it."""
        if self._begun is None:
            self._begun = Upgrade(self, self._service, self._channel, self.recorder, self._player)
        return self._begun

    def _starttls(self, argument: str, forced: Reply | None) -> None:
        self._upgrade.starttls(argument, forced)

    def forget(self, user: str | None = None) -> None:
        """Forget all that the client has said; it is this user if somebody else has said so."""
        self.engine = self._service.engine.fresh()
        self.engine.in_tls = self.recorder.tls is not None
        self._login.forget(user)

    def tls_failed(self, tls: TLSSide, failure: TLSFailure, *, clear_text: bool) -> None:
        """Record why there is no TLS."""
        recorder = self.recorder
        recorder.client_hello = tls.client_hello
        recorder.alerts = tls.alerts
        if self._service.tls_on_connect and not tls.first_octets:
            failure = replace(
                failure, reason=f"{failure.reason}; it sent nothing, perhaps waiting for a greeting in clear"
            )
        if clear_text:
            failure = replace(failure, reason=f"{failure.reason}: {recorder.excerpt(tls.first_octets, _SHOWN)}")
        recorder.tls_failure = failure
        if clear_text:
            recorder.add_stray(tls.first_octets[:SHOWN])
        recorder.note(failure.reason)
        recorder.finish(SessionEnd.CLEAR_INSTEAD_OF_TLS if clear_text else SessionEnd.HANDSHAKE_FAILED)

    def lost(self, error: Exception | None) -> None:
        """Record the end."""
        self._player.stop()
        self._delivery.lost()
        if self._login.state.is_open:
            self._login.state.end(None)
        if self._commands.meter is not None:
            self._commands.meter.close()
        self.recorder.finish(SessionEnd.RESET if error is not None else SessionEnd.CLIENT_CLOSED)
        self._ended(self)

    # What the server tells

    def shut_down(self) -> None:
        """End at once: the server closes."""
        self.recorder.finish(SessionEnd.SERVER_CLOSED)
        self._channel.abort()

    def check_time(self, now: float) -> None:
        """End a session that has been silent, or handshaking, for too long; `now` by the monotonic clock."""
        channel = self._channel
        if channel.is_closing:
            if now - channel.last_active > 2 * self._policy.timeout:  # it does not read what was due to it at the end
                channel.abort()
        elif self._player.is_holding:
            return
        elif self._header_first is not None:
            if now - self._header_first.began > self._policy.handshake_timeout:
                self._header_first.give_up()
        elif channel.is_handshaking:
            limit = self._policy.handshake_timeout
            if now - self._upgrade.began > limit:
                channel.fail_handshake(f"the TLS handshake was not complete within {limit:g} s")
        elif now - channel.last_active <= self._policy.timeout:
            return
        elif self._player.is_stalled or (self._begun is not None and self._begun.instead is not None):
            self.end(SessionEnd.TIMEOUT)
        else:
            self.send(replies.IDLE_TOO_LONG, SessionEnd.TIMEOUT)

    # Lines

    def _is_client_hello(self, buffer: bytearray) -> bool:
        """Return whether TLS begins here, where the server speaks in clear and a line would begin."""
        return not self._lines.is_skipping and not self._channel.in_tls and looks_like_tls(buffer)

    def _command(self, line: bytes) -> None:
        if line[-1:] == b"\r":
            line = line[:-1]
            shown = line
        else:
            shown = line + b"\n"  # a bare LF ends a command too, against RFC 5321 section 2.3.8: it is shown
        head, _, rest = line.partition(b" ")
        verb = head.upper().decode("ascii", "replace")
        if verb == BDAT and "CHUNKING" in self._policy.offer:
            self.recorder.unfollow()  # what stands behind it is its chunk, and not a command too early
        is_secret = verb not in _WITHOUT_CREDENTIAL and carries_credential(line)
        self.recorder.add(Kind.SECRET if is_secret else Kind.CLIENT, shown)
        if (refusal := malformed(line, head)) is not None:
            self.send(refusal)
            return
        argument = rest.strip().decode("utf-8", "surrogateescape")
        if not self._is_usual:
            if self._policy.syntax == "strict" and (refusal := against_grammar(shown)) is not None:
                self.send(refusal)
                return
            if verb in HELLOS and self._policy.protocol == "lmtp":
                if verb != "LHLO":
                    whole = line.strip().decode("utf-8", "surrogateescape")
                    self.at_stage(UNKNOWN, whole, lambda forced: self.send(forced or replies.NO_EHLO_IN_LMTP))
                    return
                verb = "EHLO"  # whose semantics it has: RFC 2033 section 4.1
            if verb == BDAT and "CHUNKING" in self._policy.offer:
                self._delivery.bdat(argument, self._commands.refuse_stage(verb))
                return
        if self._rulebook.by_stage:
            perform = partial(self._commands.perform, verb, argument)
            if verb == "AUTH":  # before a rule may break it off
                self._login.hear(argument)
            if verb in KNOWN:
                self.at_stage(verb, argument, perform)
            else:  # what a client calls CONNECT is no stage of ours
                self.at_stage(UNKNOWN, line.strip().decode("utf-8", "surrogateescape"), perform)
        else:
            self._commands.perform(verb, argument, None)

    # Rules

    def at_stage(self, stage: str, argument: str, perform: Perform, octets: int = 0) -> None:
        """Let the rules of a stage have their say, and perform it."""
        rule = None
        if self._rulebook.by_stage:
            rule = self._rulebook.pick(stage, argument, Moment(self._channel.in_tls, self.recorder.number, octets))
        if rule is not None:
            if rule.probability < 1:
                self.recorder.note(f"a rule answers by chance: {rule}")
            self._player.play(rule.actions, perform)
        else:
            perform(None)

    # Replies

    def send(self, reply: Reply, end: SessionEnd = SessionEnd.REFUSED) -> None:
        """Send a reply; 421 ends the session (RFC 5321 section 3.8), as `end` says."""
        if self._player.is_silent:
            self.recorder.note(f"not sent, as a rule has it: {reply}")
            return
        if not self._is_usual:
            if reply is replies.HELO_FIRST and self._policy.protocol == "lmtp":
                reply = replies.LHLO_FIRST
            if self._wording is not None:
                reply = self._wording.say(reply, self.recorder)
        data = reply.encode(enhanced=self._enhanced)
        self.recorder.add(Kind.SERVER, data)
        self._channel.write(data)
        if reply.code == 421:  # noqa: PLR2004 - as above
            self.end(end)
        elif not self._is_usual and (last := self._commands.replied(reply.code)) is not None:
            self.send(last)

    @property
    def is_free(self) -> bool:
        """Whether the session can go on: no rule holds or stalls it, and it does not end."""
        return not (self._player.is_holding or self._player.is_stalled or self._channel.is_closing)

    def give_up(self, said: bytes = b"") -> None:
        """Let go of what waits for its reply, a message or an AUTH: these octets stand in for it."""
        if self._delivery.answers is None:  # in LMTP the next recipient's reply is due
            self._delivery.give_up()
        if self._login.state.is_open and not self._login.state.is_running:
            self._login.state.cut_short(said)

    def end(self, end: SessionEnd, *, notify: bool = True) -> None:
        """End the session in order: say what is due, and close."""
        if self._channel.is_closing:
            return
        self._delivery.give_up()
        self.recorder.finish(end)
        self._channel.close(notify=notify)

    def greet(self) -> None:
        """Say the greeting, or what a rule or a limit has instead."""
        own = self._service.greeting
        if self._wording is not None:
            own = self._wording.fill(own, self.recorder)
        if self._service.ledger is not None:
            own = self._commands.counted(self._service.ledger).refusal or own
        own, self._greeting = self._greeting or own, None
        if self._is_mute:
            self._is_mute = False
            self.recorder.note(f"not sent, as a rule has it: {own}")
        elif self._rulebook.by_stage:
            self.at_stage(GREETING, self.recorder.client[0], lambda forced: self.send(forced or own))
        else:
            self.send(own)

    # Commands

    @property
    def user(self) -> str | None:
        """Whom the client has shown to be."""
        return self._login.state.user


def _go_on() -> None:
    """Do nothing before going on."""
