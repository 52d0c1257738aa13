"""One IMAP session: policy, rules and record around the engine; what is IMAP's own of a `Conversation`.

It takes commands off lines and literals, and says their answers piece by piece, as fast as the client reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

from smtpfix.clock import monotonic
from smtpfix.conversation.conversation import Conversation
from smtpfix.record.session import Retrieval, SessionEnd
from smtpfix.record.transcript import Kind
from smtpfix.rules.stages import UNKNOWN
from smtpfix.rules.status import Ok, Status

from .assembly import Assembly, Literal
from .capabilities import before_login
from .command import Command
from .credentials import secret_at, verb_of
from .cursor import Cursor, Malformed
from .engine import Engine
from .language import COMMANDS, DONE
from .login import IMAPLogin
from .policy import ImapPolicy
from .service import IMAPService
from .state import State
from .status import Bad, Bye, GoOn, No, PreAuth, tagged
from .tags import Tags

if TYPE_CHECKING:
    from smtpfix.mail.mailbox import Entry
    from smtpfix.record.recorder import Recorder
    from smtpfix.rules.action import Action
    from smtpfix.rules.elsewhere import Elsewhere
    from smtpfix.wire.channel import Channel

    from .fetch import Piece

_TURN_TIME: Final = 0.02
"""Seconds that an answer may take before it is the others' turn."""
_AT_ONCE: Final = 65_536
"""Octets that are written before looking whether the client reads them."""
_SHOWN: Final = 4_096
"""Octets of an answer that one event of the record has."""
_LEFT: Final = 200
"""Octets of a longer one that are kept."""
_WITHOUT_CREDENTIAL: Final = frozenset(name.encode() for name in COMMANDS) - {b"LOGIN", b"AUTHENTICATE"} | {b"UID"}


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
        self._is_idling = False
        self._drawing: Iterator[Piece] | None = None
        """The answer that is being said."""
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
        if self._is_idling:
            self._record(line, is_secret=secret_at(line) > 0)
            self._end_idle(line)
            return
        if is_first:
            assembly.is_secret = self._is_secret(line)
            assembly.is_append = verb_of(line) == b"APPEND"
        self._record(line, is_secret=assembly.is_secret, is_more=not is_first)
        assembly.add(b"" if assembly.is_over else line)
        announced = assembly.literal_announced() if not assembly.is_over else _announced_in(line)
        if announced is None:
            self._assembly = Assembly()
            self._complete(assembly)
        else:
            self._await_literal(assembly, *announced)

    def _is_secret(self, line: bytes) -> bool:
        """Return whether a command carries a credential, or a line that is none may be an answer in a login."""
        if verb_of(line) in _WITHOUT_CREDENTIAL:
            return False
        if self.login.is_stray_answer(line):
            self.login.overhear(line)
            return True
        return secret_at(line) > 0 or verb_of(line) == b"LOGIN"

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
            self._complete(assembly)
            return
        self.incoming = Literal(size, keeps=not assembly.is_over)
        if waits:
            self._write(b"+ go on\r\n")

    def incoming_ended(self, incoming: Any) -> None:
        """Go on behind a literal."""
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
        elif self._is_idling:
            self._is_idling = False
        else:
            self.tags.add(_tag_of(assembly.pieces[0] if assembly.pieces else self.lines.beginning))
        self.send(Bad("the line is too long"))

    def not_a_line(self) -> None:
        """Answer a ClientHello in clear as an unknown command."""
        self._write(tagged(Bad("expected a tag")))

    def timed_out(self) -> None:
        """Say that the client has been silent for too long, and end the session."""
        self.send(Bye("idle for too long"), SessionEnd.TIMEOUT)

    def dismiss(self, end: SessionEnd) -> None:
        """Say BYE unasked (section 7.1.5), and end the session."""
        self.send(Bye("the server shuts down"), end)

    def released(self) -> None:
        """Let go of the selected mailbox: the connection is gone."""
        self._drawing = None
        self.state.close()

    def resume(self) -> None:
        """Go on with an answer that was not said to its end, and tell who idles what has changed."""
        if self._drawing is not None:
            if self.is_free:
                self._draw(self._drawing)
        elif self._is_idling:
            self._told()

    @property
    def is_idle(self) -> bool:
        """Whether the client has its answers, and the server waits for a command."""
        return super().is_idle and self._drawing is None

    # What rooms ask

    def forget(self, user: str | None = None) -> None:
        """Forget all that the client has said."""
        self.state.close()
        self._begin_anew()
        super().forget(user)

    def fill(self, octets: bytes) -> bytes:
        """Put tags in the place of a rule's ``{tag}`` and ``{next}``."""
        return self.tags.fill(octets)

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
        self._write(tagged(answer, self.tags.last))
        if answer.ends_session and not self.player.is_silent:
            self.end(end)

    # A command

    def _complete(self, assembly: Assembly) -> None:
        """Perform a command that has come whole."""
        try:
            command = Command.read(assembly.pieces)
        except Malformed as error:
            is_stray = assembly.is_secret  # an answer in a login, of which nothing is said again
            self.tags.add(b"*" if is_stray else _tag_of(assembly.pieces[0]))
            bad = Bad("expected a tag and a command" if is_stray else str(error))
            whole = assembly.pieces[0].decode("utf-8", "surrogateescape")
            self.at_stage(UNKNOWN, whole, lambda forced: self.send(forced or bad))
            return
        self.tags.add(command.tag)
        name = command.name
        if assembly.is_over:
            self._hear_of_login(command)
            self.send(No("that is more than this server takes", "TOOBIG"))
        elif name in ("LOGIN", "AUTHENTICATE"):
            self._hear_login(command)
        elif name in _OWN or self.engine.knows(name):
            self.at_stage(command.stage, command.argument, partial(self._perform, command))
        else:
            self._hear_of_login(command)
            whole = assembly.pieces[0].decode("utf-8", "surrogateescape")
            self.at_stage(UNKNOWN, whole, lambda forced: self.send(forced or Bad("there is no such command here")))

    def _perform(self, command: Command, forced: Status | None) -> None:
        """Perform a command; given a rule's answer, it only takes effect where both agree."""
        if command.name in _OWN:
            _OWN[command.name](self, command, forced)
        elif forced is not None and not forced.is_positive:
            self.send(forced)
        else:
            self._say(self.engine.answer(command.name, command.cursor, command.tag), forced)

    def _hear_of_login(self, command: Command) -> None:
        """Be wary of what may follow a login that could not be read."""
        if command.name in ("LOGIN", "AUTHENTICATE"):
            self.recorder.is_wary = True

    def _hear_login(self, command: Command) -> None:
        """Take in who wants to log in, before a rule may break it off, and answer."""
        try:
            user = self._read_login(command)
        except Malformed as error:
            bad = Bad(f"{command.name}: {error}")
            self.at_stage(command.name, "", lambda forced: self.send(forced or bad))
            return
        self.at_stage(command.name, user, lambda forced: self.send(self.login.settle(forced)))

    def _read_login(self, command: Command) -> str:
        """Return what rules are asked about: the mechanism, or of LOGIN the user."""
        self.recorder.is_wary = True
        cursor = command.cursor
        if cursor.is_at_end:
            raise Malformed("expected who logs in")
        cursor.space()
        if command.name == "AUTHENTICATE":
            argument = cursor.rest.decode("utf-8", "surrogateescape").strip()
            if " " in argument and "SASL-IR" in self.policy.hide:
                self.login.turn_away(argument)
                raise Malformed("this server takes no initial response")
            self.login.hear(argument)
            return argument.partition(" ")[0]
        try:
            user = cursor.astring().decode("utf-8", "surrogateescape")
            cursor.space()
            password = cursor.astring().decode("utf-8", "surrogateescape")
            cursor.end()
        except Malformed:  # which would say what came
            raise Malformed("expected a user and a password, each an atom, a quoted string or a literal") from None
        self.login.hear_password(user, password)
        return user

    def _capability(self, command: Command, forced: Status | None) -> None:
        if forced is not None and not forced.is_positive:
            self.send(forced)
            return
        self._say(_with(f"* CAPABILITY {' '.join(self.capabilities)}\r\n", _ended(command, Ok("that is all"))), forced)

    def _logout(self, command: Command, forced: Status | None) -> None:
        own = _ended(command, Ok("logged out"))
        if (forced is not None and not forced.is_positive) or not own.is_positive:
            self.send(forced or own)
            return
        self._write(tagged(Bye("see you")) + tagged(forced or own, command.tag))
        self.end(SessionEnd.QUIT)

    def _starttls(self, command: Command, forced: Status | None) -> None:
        """STARTTLS, section 6.2.1: BAD inside TLS and behind a login."""
        if self.channel.in_tls or not self.policy.has_starttls:
            own: Status = Bad("there is no STARTTLS here")
        elif self.state.account is not None:
            own = Bad("you have logged in already")
        else:
            own = _ended(command, Ok("begin TLS"))
        self.send(forced or own)
        if own.is_positive and (forced is None or isinstance(forced, Ok)):
            self.upgrade.begin_by("STARTTLS")

    def _idle(self, command: Command, forced: Status | None) -> None:
        """IDLE, section 6.3.13."""
        own = _ended(command, GoOn("idling"))
        if self.state.account is None:
            own = Bad("log in first")
        elif "IDLE" in self.policy.hide:
            own = Bad("there is no such command here")
        answer = forced or own
        if not isinstance(answer, GoOn) or not isinstance(own, GoOn):
            self.send(answer)
            return
        self._is_idling = self.has_detour = True
        self._write(tagged(answer) + b"".join(self.state.news()))

    def _retrieved(self, entry: Entry) -> None:
        """Record that a message was written out whole."""
        folder, in_tls = self.state.selected.mailbox.name, self.channel.in_tls
        self.recorder.retrieved(Retrieval(self.state.mail.user, folder, entry.uid, entry.size, in_tls))

    def _end_idle(self, line: bytes) -> None:
        self._is_idling = False
        own = Ok("done") if line.strip().upper() == b"DONE" else Bad("expected DONE")
        self.at_stage(DONE, "", lambda forced: self._say(_with("", own, self.state.news()), forced))

    def _told(self) -> None:
        """Tell a client that idles what has changed."""
        if self._is_idling and self.is_free and not self.channel.is_blocked and (news := b"".join(self.state.news())):
            self._write(news)
            self.channel.flush()

    # An answer

    def _say(self, answer: Generator[Piece, None, Status], forced: Status | None) -> None:
        """Say an answer: all at once where a rule changes or replaces it, and else as the client reads it."""
        player = self.player
        if forced is None and not player.edits and not player.is_silent:
            self._draw(_pieces(answer, self.tags.last, None))
        else:
            self.state.held_back = []
            whole = b"".join(_pieces(answer, self.tags.last, forced))
            self.state.settle_written(self._write(whole))

    def _draw(self, answer: Iterator[Piece]) -> None:
        """Say more of an answer, until the client does not read, or others want their turn."""
        self._drawing = None
        channel, recorder = self.channel, self.recorder
        until = monotonic() + _TURN_TIME
        text, unflushed = b"", 0
        for piece in answer:
            unflushed += len(piece)
            if type(piece) is memoryview:
                self._write(text)
                text = b""
                recorder.add(Kind.CONTENT, b"%d octets" % len(piece))
                channel.write(piece)
            else:
                text += piece
                if len(text) > _SHOWN:
                    self._write(text)
                    text = b""
            if unflushed > _AT_ONCE:
                self._write(text)
                text, unflushed = b"", 0
                channel.flush()
            if channel.is_blocked or channel.is_closing or monotonic() > until:
                self._drawing = answer
                break
        self._write(text)
        if self._drawing is not None:
            self.has_detour = True
            if not channel.is_blocked and not channel.is_closing:
                channel.flush()
                self.player.hold(0, _go_on)

    def _write(self, octets: bytes) -> bytes:
        """Write octets of an answer, as a rule has them changed, and record them; return what was written."""
        if not octets:
            return b""
        if self.player.is_silent:
            self.recorder.note(f"not sent, as a rule has it: {self.recorder.excerpt(octets, _LEFT)}")
            return b""
        if self.player.edits:
            octets = self.edited(octets)
        if len(octets) <= 2 * _SHOWN:
            self.recorder.add(Kind.SERVER, octets)
        else:
            self.recorder.add(Kind.SERVER, octets[:_LEFT])
            self.recorder.note(f"and {len(octets) - _LEFT} octets more")
        self.channel.write(octets)
        return octets


_OWN: Final[dict[str, Callable[[IMAPConversation, Command, Status | None], None]]] = {
    "CAPABILITY": IMAPConversation._capability,  # noqa: SLF001 - its own
    "LOGOUT": IMAPConversation._logout,  # noqa: SLF001
    "STARTTLS": IMAPConversation._starttls,  # noqa: SLF001
    "IDLE": IMAPConversation._idle,  # noqa: SLF001
}


def _announced_in(line: bytes) -> tuple[int, bool] | None:
    """Return what a line of a command announces that is over its limit."""
    beyond = Assembly([line])
    return beyond.literal_announced()


def _pieces(answer: Generator[Piece, None, Status], tag: bytes, forced: Status | None) -> Iterator[Piece]:
    """Yield what an answer is made of, how the command ended as the last."""
    ending = yield from answer
    yield tagged(forced or ending, tag)


def _with(text: str, ending: Status, more: Iterable[bytes] = ()) -> Generator[Piece, None, Status]:
    """Return an answer of some text."""
    if ending.is_positive:
        yield text.encode()
    yield from more
    return ending


def _ended(command: Command, ending: Status) -> Status:
    """Return how a command without arguments ended: BAD where it has some."""
    try:
        command.cursor.end()
    except Malformed as error:
        return Bad(f"{command.name}: {error}")
    return ending


def _tag_of(line: bytes) -> bytes:
    """Return the tag of a command that could not be read; ``*`` where it has none."""
    try:
        return Cursor([line]).tag()
    except Malformed:
        return b"*"


def _go_on() -> None:
    """Do nothing before going on."""
