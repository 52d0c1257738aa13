"""The answer to each command of a session, from the policy, its limits, larger modules, or the engine.

HELP and QUIT are its own; STARTTLS is `upgrade`'s, AUTH `login`'s, DATA `delivery`'s, XCLIENT `forwarding`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final, cast

from smtpfix.policy.mode import Mode
from smtpfix.record.session_end import SessionEnd
from smtpfix.rules.reply import Reply

from . import replies
from .engine import VERBS
from .language import BDAT

if TYPE_CHECKING:
    from .conversation import SMTPConversation
    from .edits import EhloEdit
    from .metering import MailLedger, MailMeter

KNOWN: Final = frozenset({*VERBS, "AUTH", BDAT, "DATA", "HELP", "QUIT", "STARTTLS", "XCLIENT"})
"""The verbs that rules can name."""
HELLOS: Final = frozenset({"EHLO", "HELO", "LHLO"})

_BEFORE_TLS: Final = frozenset({"EHLO", "STARTTLS", "NOOP", "QUIT"})
"""What ``tls-required`` lets through in clear (RFC 3207 section 4)."""
_NEEDS_AUTH: Final = frozenset({"MAIL", "RCPT", "DATA", BDAT, "VRFY", "EXPN"})
"""What ``require_auth`` holds back; RFC 4954 section 6 exempts AUTH, EHLO, HELO, NOOP, RSET and QUIT."""
_WITH_REPLY: Final = frozenset({"AUTH", "STARTTLS", "QUIT"})
"""What decides itself what a rule's reply means for it."""
_NOT_IMPLEMENTED: Final = frozenset({BDAT, "ETRN", "ATRN", "TURN", "SEND", "SOML", "SAML", "BURL"})
COMMANDS: Final = KNOWN | HELLOS | _NOT_IMPLEMENTED | {"ONEX", "VERB", "XFORWARD"}
"""The verbs that clients have, whatever becomes of them here."""


class Commands:
    """One session's."""

    def __init__(self, conversation: SMTPConversation) -> None:
        self._conversation = conversation
        self._service = conversation.service
        self._policy = conversation.policy
        self._channel = conversation.channel
        self._recorder = conversation.recorder
        self._player = conversation.player
        self._login = conversation.login
        self._delivery = conversation.delivery
        self._holds_back = self._service.holds_back
        self.meter: MailMeter | None = None
        """What counts this client, where the policy has limits."""

    def counted(self, ledger: MailLedger) -> MailMeter:
        """Count the client from here on, by the address that it has now."""
        from .metering import MailMeter  # noqa: PLC0415 - few servers have limits

        if self.meter is not None:  # it was another's until XCLIENT said so
            self.meter.close()
        self.meter = MailMeter(ledger, self._recorder)
        return self.meter

    def replied(self, code: int) -> Reply | None:
        """Return what is said after a reply with this code, where that was one too many."""
        return self.meter.replied(code) if self.meter is not None else None

    def perform(self, verb: str, argument: str, forced: Reply | None) -> None:
        """Perform a command and answer it; given a rule's reply, it only takes effect where both agree."""
        if verb in _WITH_REPLY:
            self._OWN[verb](self, argument, forced)
            return
        if forced is not None and not forced.is_positive:
            self._refuse(verb, argument, forced)
            return
        if self._holds_back and (refusal := self.refuse_stage(verb)) is not None:
            self._refuse(verb, argument, forced or refusal)
        elif verb == "DATA":
            self._delivery.data(argument, forced)
        elif verb in VERBS:
            if self.meter is None:
                reply = self._conversation.engine.execute(verb, argument or None)
            else:
                reply = self._within_limits(self.meter, verb, argument)
            if verb in HELLOS and reply.is_positive:
                self._recorder.client_name = argument
                if verb == "EHLO":
                    tls = self._recorder.tls
                    has_certificate = tls is not None and tls.client_certificate is not None
                    reply = self._service.capabilities[self._channel.in_tls, has_certificate]
                    if self._service.custom_replies is not None:
                        reply = self._service.custom_replies.fill(reply, self._recorder)
                    if self._player.edits:
                        lines = reply.text.split("\n")
                        for edit in self._player.edits:
                            if not edit.changes_answer:
                                lines = cast("EhloEdit", edit).edited(lines)
                        reply = replace(reply, text="\n".join(lines))
            reply = forced or reply
            if reply.code < 400:  # noqa: PLR2004 - the boundary of the positive classes
                self._conversation.send(reply)
            else:
                self._refuse(verb, argument, reply)
        elif verb in self._OWN:
            self._OWN[verb](self, argument, forced)
        else:
            self._conversation.send(
                forced or (replies.NOT_IMPLEMENTED if verb in _NOT_IMPLEMENTED else replies.UNKNOWN_COMMAND)
            )

    def _refuse(self, verb: str, argument: str, reply: Reply) -> None:
        """Refuse a command; what that means for a message is noted before the client has its reply."""
        if verb in ("MAIL", "RCPT", "DATA") and not reply.is_positive:
            reply = self._delivery.refuse(verb, argument, reply)
        self._conversation.send(reply)

    def refuse_stage(self, verb: str) -> Reply | None:
        """Return the reply to a command that the policy does not allow at this stage; None if it does."""
        policy = self._policy
        if policy.mode is Mode.TLS_REQUIRED and verb not in _BEFORE_TLS and not self._channel.in_tls:
            return replies.TLS_REQUIRED
        if policy.require_auth and verb in _NEEDS_AUTH and not self._login.is_complete:
            return replies.AUTH_REQUIRED
        return None

    def _within_limits(self, meter: MailMeter, verb: str, argument: str) -> Reply:
        """Perform a command of the engine's as far as the policy's limits allow it."""
        engine = self._conversation.engine
        if engine.greeted:
            complete = self._login.is_complete
            over = meter.refuse(verb, argument, in_transaction=engine.has_sender, authenticated=complete)
            if over is not None:
                return over
        reply = engine.execute(verb, argument or None)
        if reply.is_positive:
            meter.accepted(verb, argument)
        return reply

    def _help(self, _argument: str, forced: Reply | None) -> None:
        if not self._policy.has("HELP"):
            self._conversation.send(forced or replies.NOT_IMPLEMENTED)
            return
        names = sorted(self._names())
        self._conversation.send(forced or replies.detailed(replies.HELP, "Commands: " + " ".join(names)))

    def _names(self) -> Iterator[str]:
        """Yield the commands that there are now, whether or not it is their time."""
        policy = self._policy
        is_there = {
            "AUTH": policy.has_auth,
            BDAT: "CHUNKING" in policy.offer,
            "EHLO": policy.protocol != "lmtp",
            "EXPN": False,
            "HELO": policy.protocol != "lmtp",
            "LHLO": policy.protocol == "lmtp",
            "STARTTLS": policy.has_starttls and not self._channel.in_tls,
            "XCLIENT": policy.xclient,
        }
        return (name for name in KNOWN | HELLOS if is_there.get(name, True))

    def _starttls(self, argument: str, forced: Reply | None) -> None:
        """Answer STARTTLS (RFC 3207 section 4); after a 220 TLS begins."""
        if self._channel.in_tls:
            own = replies.TLS_ALREADY_ON
        elif not self._policy.has_starttls:
            own = replies.NOT_IMPLEMENTED
        else:
            own = replies.NO_ARGUMENT_ALLOWED if argument else replies.START_TLS
        reply = forced or own
        self._conversation.send(reply)
        if own is replies.START_TLS and reply.code == replies.START_TLS.code:
            self._conversation.upgrade.begin_by("STARTTLS")

    def _quit(self, argument: str, forced: Reply | None) -> None:
        reply = forced or (replies.NO_ARGUMENT_ALLOWED if argument else replies.BYE)
        self._conversation.send(reply)
        if reply.is_positive:
            self._conversation.end(SessionEnd.QUIT)

    def _xclient(self, argument: str, forced: Reply | None) -> None:
        from .forwarding import take_xclient  # noqa: PLC0415 - few servers stand behind a proxy

        take_xclient(argument, forced, self._conversation)

    _OWN: Final[Mapping[str, Callable[[Commands, str, Reply | None], None]]] = {
        "AUTH": lambda self, argument, forced: self._login.perform(argument, forced),
        "HELP": _help,
        "QUIT": _quit,
        "STARTTLS": _starttls,
        "XCLIENT": _xclient,
    }
    """The commands that are not the engine's."""
