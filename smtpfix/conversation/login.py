"""AUTH in one session: whether it may be tried here, the client's answers, and the rules at each turn.

What mechanisms and replies there are is `authentication`'s and `sasl`'s.
"""

from __future__ import annotations

from smtpfix.policy.mode import Mode
from smtpfix.record.recorder import Recorder
from smtpfix.record.transcript import Kind
from smtpfix.rules import reply as replies
from smtpfix.rules.reply import Reply
from smtpfix.rules.rule import AUTH_ANSWER
from smtpfix.smtp.authentication import CANCEL, Authentication
from smtpfix.wire.channel import Channel

from .host import Host
from .service import Service


class Login:
    """One session's."""

    def __init__(self, host: Host, service: Service, channel: Channel, recorder: Recorder) -> None:
        self._host = host
        self._service = service
        self._channel = channel
        self._recorder = recorder
        self.state = Authentication(service.policy, recorder)
        """Who the client is, as far as it has shown; another one once that is forgotten."""

    def forget(self, user: str | None) -> None:
        """Begin anew; it is this user if somebody else has said so."""
        tls = self.state.tls  # the connection's, whoever speaks on it
        self.state = Authentication(self._service.policy, self._recorder)
        self.state.tls = tls
        if user is not None:
            self.state.assume(user)

    def hear(self, argument: str) -> None:
        """Take an AUTH command in, without a reply: a rule may break it off first."""
        self.state.hear(argument, self._refuse(), in_clear=not self._channel.in_tls)

    def perform(self, argument: str, forced: Reply | None) -> None:
        """Answer AUTH (RFC 4954 section 4)."""
        if not self.state.is_open:  # with rules, it has been heard
            self.hear(argument)
        self._host.send(self.state.settle(forced))

    def answer(self, line: bytes) -> None:
        """Take the client's answer to a challenge, and go on, or let the rules."""
        line = line.removesuffix(b"\r")
        self._recorder.add(Kind.CLIENT if line == CANCEL else Kind.SECRET, line)
        state = self.state
        state.hear_answer(line)
        if self._service.rulebook.by_stage and line != CANCEL:
            self._host.at_stage(AUTH_ANSWER, state.stage_argument, lambda forced: self._host.send(state.settle(forced)))
        else:
            self._host.send(state.settle())

    def _refuse(self) -> Reply | None:
        """Return the reply to an AUTH command that the policy does not allow at this stage; None if it does."""
        policy = self._service.policy
        in_tls = self._channel.in_tls
        if policy.mode is Mode.TLS_REQUIRED and not in_tls and not policy.auth_in_clear:
            return replies.TLS_REQUIRED
        if not policy.has("AUTH"):
            return replies.NOT_IMPLEMENTED
        if not policy.allows_auth(in_tls=in_tls):
            return replies.ENCRYPTION_REQUIRED
        engine = self._host.engine
        if not engine.is_extended:
            return replies.HELO_FIRST
        if self.state.is_complete:
            return replies.ALREADY_AUTHENTICATED
        return replies.NO_AUTH_IN_TRANSACTION if engine.has_sender else None
