"""One SMTP session: the part of a `Conversation` that is SMTP's own.

It sees every command before anything acts on it, and every reply before it leaves. What a command is answered is
`commands`' to say, what becomes of a message `delivery`'s.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from smtpfix.conversation.conversation import Conversation
from smtpfix.record.session_end import SessionEnd
from smtpfix.record.transcript import Kind
from smtpfix.rules.reply import Reply
from smtpfix.rules.stages import UNKNOWN

from . import replies
from .commands import KNOWN, Commands
from .credentials import asks_for_login, carries_credential
from .delivery import Delivery
from .engine import Engine
from .language import BDAT
from .lines import against_grammar, malformed
from .login import SMTPLogin
from .policy import Policy
from .service import SMTPService

if TYPE_CHECKING:
    from collections.abc import Callable

    from smtpfix.conversation.turn import Turn
    from smtpfix.record.recorder import Recorder
    from smtpfix.wire.channel import Channel

_WITHOUT_CREDENTIAL: Final = KNOWN - {"AUTH"}
_AS_MOST_SAY: Final = {verb.encode(): verb for verb in _WITHOUT_CREDENTIAL}
"""Verbs in upper case, as they come: looked up, which costs less than changing their case."""
_CLIENT: Final = Kind.CLIENT
_SERVER: Final = Kind.SERVER
"""Python 3.11 takes four times as long to look a member up in its enumeration."""
_UNREADABLE: Final = b"-"
"""Stands for an answer in a login that was too long to be kept: no base64."""
_STOPS: Final = 0.5
"""Seconds without an octet after which a content may have come to what its client takes for the end."""


class SMTPConversation(Conversation[Reply]):
    """One session."""

    service: SMTPService
    policy: Policy
    login: SMTPLogin
    login_kind = SMTPLogin

    def __init__(
        self,
        service: SMTPService,
        channel: Channel,
        recorder: Recorder,
        ended: Callable[[Conversation[Reply]], None],
    ) -> None:
        super().__init__(service, channel, recorder, ended)
        self.engine = Engine(service.policy)
        """The transaction's state; another one once TLS is on."""
        self.delivery = Delivery(self)
        self.has_said_crlf = False
        """Whether a command has ended as it has to."""
        self._commands = Commands(self)
        self._enhanced = service.has_enhanced_codes
        self._is_usual = service.is_usual
        self._custom_replies = service.custom_replies

    # What `Conversation` asks

    def greeting(self) -> Reply:
        """Return what the server greets with, or what a limit has instead."""
        own = self.service.greeting
        if self._custom_replies is not None:
            own = self._custom_replies.fill(own, self.recorder)
        if self.service.ledger is not None:
            own = self._commands.counted(self.service.ledger).refusal or own
        return own

    def command(self, line: bytes) -> None:
        """Record a command line, which has come without its LF, and answer it."""
        if line[-1:] == b"\r":
            line = line[:-1]
            shown = line
            self.has_said_crlf = True
        else:
            shown = line + b"\n"  # a bare LF ends a command too, against RFC 5321 section 2.3.8: it is shown
        head, _, rest = line.partition(b" ")
        verb = _AS_MOST_SAY.get(head) or head.upper().decode("ascii", "replace")
        if verb == BDAT and "CHUNKING" in self.policy.offer:
            self.recorder.unfollow()  # what follows it is its chunk, and not a command too early
        if verb in _WITHOUT_CREDENTIAL:
            is_secret = False
        elif self.login.is_stray_answer(line):
            is_secret = True
            self.login.overhear(line)
        else:
            is_secret = carries_credential(line)
        self.recorder.add(Kind.SECRET if is_secret else _CLIENT, shown)
        argument = rest.decode("utf-8", "surrogateescape")
        if verb in KNOWN and argument.isprintable():  # then nothing is malformed, and all white space is spaces
            argument = argument.strip(" ")
        elif (refusal := malformed(line, head)) is not None:
            self._refuse_form(line, refusal)
            return
        else:
            argument = rest.strip().decode("utf-8", "surrogateescape")
        if not self._is_usual:
            if self._is_answered(verb, argument, line, shown):
                return
            if verb == "LHLO" and self.policy.protocol == "lmtp":
                verb = "EHLO"  # whose semantics it has: RFC 2033 section 4.1
        if verb not in KNOWN and (begins := asks_for_login(line)):
            self.login.turn_away(line[begins:].decode("utf-8", "surrogateescape"))
        if self._rulebook.by_stage:
            perform = partial(self._commands.perform, verb, argument)
            if verb == "AUTH":  # before a rule may break it off
                self.login.hear(argument)
            if verb in KNOWN:
                self.at_stage(verb, argument, perform)
            else:  # what a client calls CONNECT is no stage of ours
                self.at_stage(UNKNOWN, line.strip().decode("utf-8", "surrogateescape"), perform)
        else:
            self._commands.perform(verb, argument, None)

    def _is_answered(self, verb: str, argument: str, line: bytes, shown: bytes) -> bool:
        """Answer a command that only some servers see in another way; return whether that was one."""
        policy = self.policy
        if "pipelining" in policy.refuse and self.channel.received and self._is_too_early(verb):
            self.send(replies.SPOKE_TOO_EARLY)
            self.end(SessionEnd.REFUSED)
        elif policy.syntax == "strict" and (refusal := against_grammar(shown)) is not None:
            self._refuse_form(line, refusal)
        elif verb in ("EHLO", "HELO") and policy.protocol == "lmtp":
            whole = line.strip().decode("utf-8", "surrogateescape")
            self.at_stage(UNKNOWN, whole, lambda forced: self.send(forced or replies.NO_EHLO_IN_LMTP))
        elif verb == BDAT and "CHUNKING" in policy.offer:
            self.delivery.bdat(argument, self._commands.refuse_stage(verb))
        else:
            return False
        return True

    def _is_too_early(self, verb: str) -> bool:
        """Return whether what follows a command came too early; the chunk of BDAT belongs to it."""
        from .refusing import is_too_early  # noqa: PLC0415 - few servers look at it

        offers = self.policy.has("PIPELINING") and self.engine.is_extended
        return verb != BDAT and is_too_early(verb, offers_pipelining=offers)

    def _refuse_form(self, line: bytes, refusal: Reply) -> None:
        """Answer what is no command for its form; who wanted to log in by it has tried to."""
        if begins := asks_for_login(line):
            self.login.turn_away(line[begins:].decode("utf-8", "surrogateescape"))
        self.send(refusal)

    def line_too_long(self) -> None:
        """Answer a line that was over its limit; in a login that ends the login."""
        reply, login, beginning = replies.LINE_TOO_LONG, self.login, self.lines.beginning
        if login.is_running:
            reply = replies.AUTH_LINE_TOO_LONG
            login.end()
            login.overhear(_UNREADABLE)
        elif begins := asks_for_login(beginning):
            mechanism = beginning[begins:].partition(b" ")[0].decode("ascii", "replace")
            login.turn_away(f"{mechanism} {_UNREADABLE.decode()}")
        elif login.is_stray_answer(beginning):
            login.overhear(_UNREADABLE)
        self.send(reply)

    def turn(self, stage: str, argument: str) -> Turn:
        """Return what a function is asked about at a stage: with the envelope, and the message at its end."""
        from .turns import turn  # noqa: PLC0415 - few rules ask functions

        return turn(self, stage, argument)

    def worded(self, answer: Reply, stage: str, argument: str) -> Reply:
        """Return a rule's reply with its placeholders filled in."""
        if "{" not in answer.text:
            return answer
        from .turns import worded  # noqa: PLC0415 - few replies have any

        return worded(self, answer, stage, argument)

    def failure(self, *, is_asked: bool) -> Reply:  # noqa: ARG002 - it is the same unasked
        """Return 451: what has failed is not the client's (RFC 5321 section 4.2.2)."""
        return replies.LOCAL_ERROR

    def not_a_line(self) -> None:
        """Answer a ClientHello in clear as an unknown command."""
        self.send(replies.UNKNOWN_COMMAND)

    def timed_out(self) -> None:
        """Say that the client has been silent for too long, and end the session."""
        self.send(replies.IDLE_TOO_LONG, SessionEnd.TIMEOUT)

    def check_time(self, now: float) -> None:
        """Look after a content that does not go on, too: its client may take it for complete."""
        if self.incoming is not None and now - self.channel.last_active > _STOPS:
            self.delivery.note_unended(may_go_on=True)
        super().check_time(now)

    def dismiss(self, end: SessionEnd) -> None:
        """Say 421 unasked, as RFC 5321 section 3.8 has it of a server that shuts down, and end the session."""
        self.send(replies.SHUTTING_DOWN, end)

    def may_read_on(self, incoming: Any, buffer: bytearray) -> bool:
        """Let rules inside a content have their say; return whether to read on."""
        return self.delivery.may_go_on(incoming, buffer)

    def incoming_ended(self, incoming: Any) -> None:
        """Answer a content or a chunk that is complete."""
        if incoming.is_chunk:
            self.delivery.chunk_ended(incoming)
        else:
            self.delivery.content_ended(incoming)

    def secured(self) -> None:
        """Note that the session is inside TLS from its beginning."""
        self.engine.in_tls = True

    def released(self) -> None:
        """Let go of what the session holds: the connection is gone."""
        self.delivery.lost()
        if self._commands.meter is not None:
            self._commands.meter.close()

    def let_go(self) -> None:
        """Let go of the rooms, which have this session."""
        super().let_go()
        del self.delivery, self._commands

    def resume(self) -> None:
        """Go on with LMTP's replies that were due when a rule held them back."""
        if self.delivery.answers is not None:
            self.delivery.go_on()

    # What rooms ask

    def forget(self, user: str | None = None) -> None:
        """Forget all that the client has said; it is this user if somebody else has said so."""
        self.engine = Engine(self.policy)
        self.engine.in_tls = self.recorder.tls is not None
        super().forget(user)

    def send(self, answer: Reply, end: SessionEnd = SessionEnd.REFUSED) -> None:
        """Send a reply; 421 ends the session (RFC 5321 section 3.8), as `end` says."""
        reply = answer
        if self.player.is_silent:
            self.recorder.note(f"not sent, as a rule has it: {reply}")
            return
        if not self._is_usual:
            if reply is replies.HELO_FIRST and self.policy.protocol == "lmtp":
                reply = replies.LHLO_FIRST
            if self._custom_replies is not None:
                reply = self._custom_replies.say(reply, self.recorder)
        data = reply.encode(enhanced=self._enhanced)
        if self.player.edits:
            data = self.edited(data)
        self.recorder.add(_SERVER, data)
        self.channel.write(data)
        if reply.code == 421:  # noqa: PLR2004 - as above
            self.end(end)
        elif not self._is_usual and (last := self._commands.replied(reply.code)) is not None:
            self.send(last)

    def give_up(self, said: bytes = b"") -> None:
        """Let go of what waits for its reply, a message or an AUTH: these octets stand in for it."""
        if self.delivery.answers is None:  # in LMTP the next recipient's reply is due
            self.delivery.give_up()
        super().give_up(said)

    def end(self, end: SessionEnd, *, notify: bool = True) -> None:
        """End the session in order: say what is due, and close."""
        if not self.channel.is_closing:
            if self.incoming is not None:
                self.delivery.note_unended(may_go_on=False)
            elif end is SessionEnd.DISCONNECTED:
                self.delivery.cut_off()
            self.delivery.give_up()
        super().end(end, notify=notify)
