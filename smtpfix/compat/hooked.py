"""SMTP with a handler's hooks: the conversation waits while a hook runs, and answers what it returns.

A hook is asked where the policy and the rules would have the command succeed; what they refuse it never hears of.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeAlias

from smtpfix.conversation.conversation import Conversation
from smtpfix.login.exchange import Verdict
from smtpfix.record.recorder import Recorder
from smtpfix.record.session_end import SessionEnd
from smtpfix.rules.reply import Reply
from smtpfix.smtp import replies
from smtpfix.smtp.commands import Commands
from smtpfix.smtp.conversation import SMTPConversation
from smtpfix.smtp.delivery import Delivery
from smtpfix.smtp.login import SMTPLogin
from smtpfix.smtp.policy import Policy
from smtpfix.smtp.protocol import SMTP
from smtpfix.smtp.service import SMTPService
from smtpfix.wire.channel import Channel

from .hooks import Envelope, Hooks, HookServer, LoginPassword, Session

Question: TypeAlias = Callable[[], Coroutine[Any, Any, Any]]
"""What a thread finds the answer to."""

_HELLOS: Final = ("EHLO", "HELO")
_BEGIN_ANEW: Final = (*_HELLOS, "RSET")


@dataclass(frozen=True, slots=True, kw_only=True)
class HookedPolicy(Policy):
    """A policy with hooks."""

    hooks: Hooks = field(default_factory=partial(Hooks, None), repr=False)
    """The handler's."""

    def speaks(self) -> HookedSMTP:
        """Return SMTP with these hooks."""
        return HookedSMTP(self.hooks)


class HookedSMTP(SMTP):
    """SMTP with a handler's hooks."""

    def __init__(self, hooks: Hooks) -> None:
        self._hooks = hooks

    def conversation(
        self, service: SMTPService, channel: Channel, recorder: Recorder, ended: Callable[[Conversation[Any]], None]
    ) -> HookedConversation:
        """Return the conversation of a connection that begins."""
        return HookedConversation(self._hooks, service, channel, recorder, ended)


@dataclass(frozen=True, slots=True)
class Asked:
    """A command that is being performed."""

    verb: str
    argument: str
    is_ruled: bool
    """Whether a rule has decided what it is answered."""
    recipients: int
    """How many there were before it."""


class HookedLogin(SMTPLogin):
    """One session's."""

    _connection: HookedConversation

    def _settled(self, forced: Reply | None) -> None:
        """Ask who decides, where the mechanism is content and no rule has decided."""
        if forced is not None or self._outcome is not Verdict.ACCEPTED:
            super()._settled(forced)
            return
        dialogue = self._dialogue
        assert dialogue is not None  # noqa: S101 - it has just come to its end
        login = LoginPassword((dialogue.exchange.user or "").encode(), (dialogue.exchange.password or "").encode())
        connection = self._connection
        question = partial(connection.hooks.judge, connection.side, dialogue.mechanism, login)
        connection.ask(question, super()._settled)


class HookedDelivery(Delivery):
    """One session's."""

    _conversation: HookedConversation

    def _conclude(self, reply: Reply) -> None:
        """Show the message to the handler before it is answered, unless a rule has an answer."""
        connection = self._conversation
        if self._pending is not None and reply.is_positive:
            connection.envelope.original_content = octets = self._pending[2]
            connection.envelope.content = octets
            if connection.hooks.decode_data:
                connection.envelope.content = octets.decode("utf-8", "surrogateescape")
            if reply is replies.ACCEPTED and connection.hooks.has("DATA"):
                connection.ask(partial(connection.hooks.reply, "DATA", connection.side), self._concluded)
                return
        self._concluded(reply)

    def _concluded(self, reply: Reply) -> None:
        self._conversation.envelope = Envelope()
        super()._conclude(reply)


class HookedCommands(Commands):
    """One session's."""

    _conversation: HookedConversation

    def perform(self, verb: str, argument: str, forced: Reply | None) -> None:
        """Perform a command, and have the hook for it asked before it is answered; a rule has the last word."""
        connection = self._conversation
        if forced is None and verb == "QUIT" and not argument and connection.hooks.has(verb):
            question = partial(connection.hooks.reply, verb, connection.side)
            connection.ask(question, partial(super().perform, verb, argument))
            return
        if forced is None and verb == "DATA" and connection.engine.has_recipients and not connection.envelope.rcpt_tos:
            forced = replies.RCPT_FIRST  # the handler took the recipients, and kept none
        is_ruled = forced is not None or self._player.is_silent
        connection.asked = Asked(verb, argument, is_ruled, connection.engine.recipient_count)
        super().perform(verb, argument, forced)
        connection.asked = None


class HookedConversation(SMTPConversation):
    """One session."""

    login_kind = HookedLogin

    def __init__(
        self,
        hooks: Hooks,
        service: SMTPService,
        channel: Channel,
        recorder: Recorder,
        ended: Callable[[Conversation[Any]], None],
    ) -> None:
        super().__init__(service, channel, recorder, ended)
        self.hooks = hooks
        self.delivery = HookedDelivery(self)
        self._commands = HookedCommands(self)
        self.envelope = Envelope()
        """The transaction as the handler has left it."""
        self._session: Session | None = None
        self.asked: Asked | None = None
        """The command whose hook is asked before a positive reply to it is sent."""

    @property
    def side(self) -> HookServer:
        """What a hook is given."""
        if self._session is None:
            self._session = Session(self.recorder.client, self.recorder.tls)
        return HookServer(self.policy.hostname, self._session, self.envelope)

    def ask(self, question: Question, then: Callable[[Any], None]) -> None:
        """Let a thread find an answer, and take no command until it has; `then` is given the answer."""
        loop = self.service.loop

        def go_on(answer: Any) -> None:
            if self.channel.is_closing:
                return
            self.player.is_holding = False
            self.channel.resume()
            then(answer)
            self.readable()

        def tell(answer: Any) -> None:
            with suppress(RuntimeError):  # the server has closed, and its loop too
                loop.call_soon_threadsafe(go_on, answer)

        async def find() -> Callable[[], None]:
            return partial(tell, await question())

        self.channel.pause()
        self.player.is_holding = True
        self.hooks.workers.run(find)

    def send(self, answer: Reply, end: SessionEnd = SessionEnd.REFUSED) -> None:
        """Send a reply; where a command would succeed, ask its hook first."""
        asked, self.asked = self.asked, None
        question = self._question(asked, answer) if asked is not None and answer.is_positive else None
        if asked is None or question is None:
            super().send(answer, end)
        else:
            self.ask(question, partial(self._answer, asked.verb))

    def _question(self, asked: Asked, answer: Reply) -> Question | None:
        """Take note of a command that would succeed, and return what its hook is asked; None without one."""
        verb, argument = asked.verb, asked.argument
        if verb in _BEGIN_ANEW:
            self.envelope = Envelope()
        side, has_hook = self.side, not asked.is_ruled and self.hooks.has(verb)
        given: tuple[Any, ...] = (argument,)
        match verb:
            case "EHLO" | "HELO":
                side.session.host_name, side.session.extended_smtp = argument, verb == "EHLO"
                if has_hook and verb == "EHLO":
                    return partial(self.hooks.greet, side, argument, answer)
            case "MAIL" if self.engine.has_sender:
                sender, parameters = self.engine.reverse_path, list(self.engine.mail_parameters)
                self.envelope.smtp_utf8 = "SMTPUTF8" in map(str.upper, parameters)
                given = (sender, parameters)
                if not has_hook:
                    self.envelope.mail_from, self.envelope.mail_options = given
            case "RCPT" if self.engine.recipient_count > asked.recipients:
                recipient, options = self.engine.last_recipient
                given = (recipient, list(options))
                if not has_hook:
                    self.envelope.rcpt_tos.append(recipient)
                    self.envelope.rcpt_options.extend(options)
            case "NOOP" | "VRFY":
                pass
            case "RSET":
                given = ()
            case _:
                return None
        return partial(self.hooks.reply, verb, side, *given) if has_hook else None

    def _answer(self, verb: str, answer: Reply) -> None:
        """Send what a hook says, and take back what it refuses."""
        if verb == "MAIL" and (not answer.is_positive or self.envelope.mail_from is None):
            self.engine.take_envelope()
            self.envelope = Envelope()
        elif verb == "RCPT" and not answer.is_positive:
            self.engine.drop_last_recipient()
        self.send(answer)

    def tls_established(self, tls: Any) -> None:
        """Tell the handler that TLS is on; it may refuse the session."""
        super().tls_established(tls)
        if not self.service.tls_on_connect and self.hooks.has("STARTTLS"):
            self.ask(partial(self.hooks.welcomes, self.side), self._secured)

    def _secured(self, is_welcome: Any) -> None:
        if not is_welcome:
            self.end(SessionEnd.REFUSED)

    def forget(self, user: str | None = None) -> None:
        """Forget all that the client has said."""
        super().forget(user)
        self._session, self.envelope = None, Envelope()
