"""One IMAP session: the part of a `Conversation` that is IMAP's own.

It takes commands off lines and literals; what they do is `commands` to say, and how answers are said `speech`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from smtpfix.conversation.conversation import Conversation
from smtpfix.record.session_end import SessionEnd
from smtpfix.record.transcript import Kind
from smtpfix.rules.status import Ok, Status

from .assembly import Assembly, Literal
from .capabilities import before_login
from .commands import Commands, tag_of
from .credentials import secret_at, verb_of
from .engine import Engine
from .language import COMMANDS
from .login import IMAPLogin
from .policy import ImapPolicy
from .service import IMAPService
from .speech import Speech
from .state import State
from .status import Bad, Bye, No, PreAuth, tagged
from .tags import Tags

if TYPE_CHECKING:
    from smtpfix.mail.mailbox import Entry
    from smtpfix.record.recorder import Recorder
    from smtpfix.rules.action import Action
    from smtpfix.rules.elsewhere import Elsewhere
    from smtpfix.wire.channel import Channel


_WITHOUT_CREDENTIAL: Final = frozenset(name.encode() for name in COMMANDS) - {b"LOGIN", b"AUTHENTICATE"} | {b"UID"}
_FAILED: Final = "something has failed here that is not the client's"


class IMAPConversation(Conversation[Status]):
    """One session."""

    service: IMAPService
    policy: ImapPolicy
    login: IMAPLogin
    login_kind = IMAPLogin
    login_command = b""  # every line may be as long as one of a login

    def __init__(
        self,
        service: IMAPService,
        channel: Channel,
        recorder: Recorder,
        ended: Callable[[Conversation[Status]], None],
    ) -> None:
        super().__init__(service, channel, recorder, ended)
        self.tags = Tags()
        self._assembly = Assembly()
        self.is_idling = False
        """Whether the client waits for news (section 6.3.13)."""
        self.speech = Speech(self)
        self._commands = Commands(self)
        self._begin_anew()

    def _begin_anew(self) -> None:
        self.state = State(self.policy, self.recorder, self.service.loop, told=self._told, retrieved=self._retrieved)
        self.engine = Engine(self.state)

    # What `Conversation` asks

    def greeting(self) -> Status:
        """Return what the server greets with."""
        text = self.policy.greeting.replace("{hostname}", self.policy.hostname)
        return Ok(text, "CAPABILITY " + " ".join(self.capabilities))

    def command(self, line: bytes) -> None:
        """Record a line, which has come without its LF, and answer the command that it ends."""
        line = line.removesuffix(b"\r")
        assembly = self._assembly
        is_first = not assembly.pieces
        if self.is_idling:
            self._record(line, is_secret=secret_at(line) > 0)
            self._commands.end_idle(line)
            return
        if is_first:
            verb = verb_of(line)
            assembly.is_secret = self._is_secret(line, verb)
            assembly.is_append = verb == b"APPEND"
        self._record(line, is_secret=assembly.is_secret, is_more=not is_first)
        assembly.add(b"" if assembly.is_over else line)
        announced = assembly.literal_announced() if not assembly.is_over else _announced_in(line)
        if announced is None:
            self._assembly = Assembly()
            self._commands.complete(assembly)
        else:
            self._await_literal(assembly, *announced)

    def _is_secret(self, line: bytes, verb: bytes) -> bool:
        """Return whether a command carries a credential, or a line that is none may be an answer in a login."""
        if verb in _WITHOUT_CREDENTIAL:
            return False
        if self.login.is_stray_answer(line):
            self.login.overhear(line)
            return True
        return secret_at(line) > 0 or verb == b"LOGIN"

    def _record(self, line: bytes, *, is_secret: bool, is_more: bool = False) -> None:
        """Record a line; of the second one of a secret command not even what looks like a command's beginning."""
        if is_secret and is_more and secret_at(line):
            self.recorder.note(f"more of that command: {len(line)} octets")
        else:
            self.recorder.add(Kind.SECRET if is_secret else Kind.CLIENT, line)

    def _await_literal(self, assembly: Assembly, size: int, waits: bool) -> None:  # noqa: FBT001 - as it was announced
        """Read a literal, and say so to a client that waits; let go of one that is over the limit."""
        has_room = assembly.has_room(size, self.policy.append_limit, logged_in=self.state.account is not None)
        if not has_room:
            assembly.is_over = True
        if waits and assembly.is_over:
            self._assembly = Assembly()
            self._commands.complete(assembly)
            return
        self.incoming = Literal(size, keeps=not assembly.is_over)
        if waits:
            self.speech.write(b"+ go on\r\n")

    def incoming_ended(self, incoming: Any) -> None:
        """Go on after a literal."""
        literal: Literal = incoming
        self.incoming = None
        self.recorder.add(Kind.CONTENT, b"a literal of %d octets" % literal.announced)
        self._assembly.add(literal.octets)
        if not self.channel.received:
            self.channel.acknowledge()

    def line_too_long(self) -> None:
        """Answer a line that was over its limit; in a login that ends the login."""
        assembly, self._assembly = self._assembly, Assembly()
        if self.login.is_running:
            self.login.end()
        elif self.is_idling:
            self.is_idling = False
        else:
            self.tags.add(tag_of(assembly.pieces[0] if assembly.pieces else self.lines.beginning))
        self.send(Bad("the line is too long"))

    def not_a_line(self) -> None:
        """Answer a ClientHello in clear as an unknown command."""
        self.speech.write(tagged(Bad("expected a tag")))

    def timed_out(self) -> None:
        """Say that the client has been silent for too long, and end the session."""
        self.send(Bye("idle for too long"), SessionEnd.TIMEOUT)

    def dismiss(self, end: SessionEnd) -> None:
        """Say BYE unasked (section 7.1.5), and end the session."""
        self.send(Bye("the server shuts down"), end)

    def released(self) -> None:
        """Let go of the selected mailbox: the connection is gone."""
        self.speech.drawing = None
        self.state.close()

    def let_go(self) -> None:
        """Let go of the rooms, which have this session."""
        super().let_go()
        del self.speech, self.state, self.engine, self._commands

    def resume(self) -> None:
        """Go on with an answer that was not said to its end, and tell who idles what has changed."""
        if self.speech.drawing is not None:
            if self.is_free:
                self.speech.draw(self.speech.drawing)
        elif self.is_idling:
            self._told()

    @property
    def is_idle(self) -> bool:
        """Whether the client has its answers, and the server waits for a command."""
        return super().is_idle and self.speech.drawing is None

    # What rooms ask

    def forget(self, user: str | None = None) -> None:
        """Forget all that the client has said."""
        self.state.close()
        self._begin_anew()
        super().forget(user)

    def fill(self, octets: bytes) -> bytes:
        """Put tags in the place of a rule's ``{tag}`` and ``{next}``."""
        return self.tags.fill(octets)

    def failure(self, *, is_asked: bool) -> Status | None:
        """Return NO [SERVERBUG] for a command: what has failed is not the client's (section 7.1).

        In the place of the greeting, and unasked, the BYE of `end` says so.
        """
        return No(_FAILED, "SERVERBUG") if is_asked and self.tags.last != b"*" else None

    def end(self, end: SessionEnd, *, notify: bool = True) -> None:
        """End the session in order; where the server's own code has failed, with a BYE (section 7.1.5)."""
        channel = self.channel
        can_say = not (channel.is_closing or channel.is_handshaking or self.speech.drawing is not None)
        if end is SessionEnd.ERROR and can_say and (channel.in_tls or not self.service.tls_on_connect):
            self.speech.write(tagged(Bye(_FAILED)))
        super().end(end, notify=notify)

    def change_elsewhere(self, what: Action) -> None:
        """Have the selected mailbox change: the session is told when the protocol allows it."""
        if self.state.view is not None:
            from smtpfix.mail.elsewhere import change  # noqa: PLC0415 - few rules do

            change(cast("Elsewhere", what), self.state.view.mailbox, self.state.view.entries)

    def logged_in(self, user: str | None) -> None:
        """Open the account of who has logged in."""
        self.state.account = self.service.accounts.open(user if user is not None else "anonymous")

    @property
    def capabilities(self) -> list[str]:
        """What is offered now."""
        if self.state.account is not None:
            return self.engine.capabilities
        tls = self.recorder.tls
        has_certificate = tls is not None and tls.client_certificate is not None
        return before_login(self.policy, in_tls=self.channel.in_tls, has_certificate=has_certificate)

    def send(self, answer: Status, end: SessionEnd = SessionEnd.REFUSED) -> None:
        """Send a status response, as the answer to the last command; BYE ends the session as `end` says."""
        if isinstance(answer, PreAuth) and self.state.account is None and not self.player.is_silent:
            users = self.policy.users
            self.logged_in(next(iter(users), None) if isinstance(users, Mapping) else None)
        self.speech.write(tagged(answer, self.tags.last))
        if answer.ends_session and not self.player.is_silent:
            self.end(end)

    # What its state tells

    def _told(self) -> None:
        """Tell a client that idles what has changed."""
        if self.is_idling and self.is_free and not self.channel.is_blocked and (news := b"".join(self.state.news())):
            self.speech.write(news)
            self.channel.flush()

    def _retrieved(self, entry: Entry) -> None:
        """Record that a message was written out whole."""
        state = self.state
        folder, octets = state.selected.mailbox.name, len(entry.mail.content)
        self.recorder.retrieved(state.mail.user, folder, entry.uid, octets, in_tls=self.channel.in_tls)


def _announced_in(line: bytes) -> tuple[int, bool] | None:
    """Return what a line of a command announces that is over its limit."""
    beyond = Assembly([line])
    return beyond.literal_announced()
