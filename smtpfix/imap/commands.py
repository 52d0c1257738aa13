"""`Commands`: complete commands, which the rules see first and the engine then performs."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from functools import partial
from typing import TYPE_CHECKING, Final

from smtpfix.record.session_end import SessionEnd
from smtpfix.rules.stages import UNKNOWN
from smtpfix.rules.status import Ok, Status

from .assembly import Assembly
from .command import Command
from .cursor import Cursor, Malformed
from .language import DONE
from .status import Bad, Bye, GoOn, No, tagged

if TYPE_CHECKING:
    from .conversation import IMAPConversation
    from .fetch import Piece


class Commands:
    """One session's."""

    def __init__(self, conversation: IMAPConversation) -> None:
        self._session = conversation
        self._speech = conversation.speech

    def complete(self, assembly: Assembly) -> None:
        """Perform a command that has come whole."""
        try:
            command = Command.read(assembly.pieces)
        except Malformed as error:
            is_stray = assembly.is_secret  # an answer in a login, of which nothing is said again
            self._session.tags.add(b"*" if is_stray else tag_of(assembly.pieces[0]))
            bad = Bad("expected a tag and a command" if is_stray else str(error))
            whole = assembly.pieces[0].decode("utf-8", "surrogateescape")
            self._session.at_stage(UNKNOWN, whole, lambda forced: self._session.send(forced or bad))
            return
        self._session.tags.add(command.tag)
        name = command.name
        if assembly.is_over:  # what follows may be the rest of a login
            self._session.recorder.is_wary |= name in ("LOGIN", "AUTHENTICATE")
            self._session.send(No("that is more than this server takes", "TOOBIG"))
        elif name in ("LOGIN", "AUTHENTICATE"):
            self._hear_login(command)
        elif name not in _OWN and not self._session.engine.knows(name):
            whole = assembly.pieces[0].decode("utf-8", "surrogateescape")
            self._session.at_stage(
                UNKNOWN, whole, lambda forced: self._session.send(forced or Bad("there is no such command here"))
            )
        elif self._session.service.rulebook.by_stage:
            self._session.at_stage(command.stage, command.argument, partial(self._perform, command))
        else:
            self._perform(command, None)

    def _perform(self, command: Command, forced: Status | None) -> None:
        """Perform a command; given a rule's answer, it only takes effect where both agree."""
        if command.name in _OWN:
            _OWN[command.name](self, command, forced)
        elif forced is not None and not forced.is_positive:
            self._session.send(forced)
        else:
            self._speech.say(self._session.engine.answer(command.name, command.cursor, command.tag), forced)

    def _hear_login(self, command: Command) -> None:
        """Take in who wants to log in, before a rule may break it off, and answer."""
        try:
            user = self._read_login(command)
        except Malformed as error:
            bad = Bad(f"{command.name}: {error}")
            self._session.at_stage(command.name, "", lambda forced: self._session.send(forced or bad))
            return
        self._session.at_stage(command.name, user, self._session.login.conclude)

    def _read_login(self, command: Command) -> str:
        """Return what rules are asked about: the mechanism, or of LOGIN the user."""
        self._session.recorder.is_wary = True
        cursor = command.cursor
        if cursor.is_at_end:
            raise Malformed("expected who logs in")
        cursor.space()
        if command.name == "AUTHENTICATE":
            argument = cursor.rest.decode("utf-8", "surrogateescape").strip()
            if " " in argument and "SASL-IR" in self._session.policy.hide:
                self._session.login.turn_away(argument)
                raise Malformed("this server takes no initial response")
            self._session.login.hear(argument)
            return argument.partition(" ")[0]
        try:
            user = cursor.astring().decode("utf-8", "surrogateescape")
            cursor.space()
            password = cursor.astring().decode("utf-8", "surrogateescape")
            cursor.end()
        except Malformed:  # which would say what came
            raise Malformed("expected a user and a password, each an atom, a quoted string or a literal") from None
        self._session.login.hear_password(user, password)
        return user

    def _capability(self, command: Command, forced: Status | None) -> None:
        if forced is not None and not forced.is_positive:
            self._session.send(forced)
            return
        self._speech.say(
            _with(f"* CAPABILITY {' '.join(self._session.capabilities)}\r\n", _ended(command, Ok("that is all"))),
            forced,
        )

    def _logout(self, command: Command, forced: Status | None) -> None:
        own = _ended(command, Ok("logged out"))
        if (forced is not None and not forced.is_positive) or not own.is_positive:
            self._session.send(forced or own)
            return
        self._speech.write(tagged(Bye("see you")) + tagged(forced or own, command.tag))
        self._session.end(SessionEnd.QUIT)

    def _starttls(self, command: Command, forced: Status | None) -> None:
        """STARTTLS, section 6.2.1: BAD inside TLS and after a login."""
        if self._session.channel.in_tls or not self._session.policy.has_starttls:
            own: Status = Bad("there is no STARTTLS here")
        elif self._session.state.account is not None:
            own = Bad("you have logged in already")
        else:
            own = _ended(command, Ok("begin TLS"))
        self._session.send(forced or own)
        if own.is_positive and (forced is None or isinstance(forced, Ok)):
            self._session.upgrade.begin_by("STARTTLS")

    def _idle(self, command: Command, forced: Status | None) -> None:
        """IDLE, section 6.3.13."""
        own = _ended(command, GoOn("idling"))
        if self._session.state.account is None:
            own = Bad("log in first")
        elif "IDLE" in self._session.policy.hide:
            own = Bad("there is no such command here")
        answer = forced or own
        if not isinstance(answer, GoOn) or not isinstance(own, GoOn):
            self._session.send(answer)
            return
        self._session.is_idling = self._session.has_detour = True
        self._speech.write(tagged(answer) + b"".join(self._session.state.news()))

    def end_idle(self, line: bytes) -> None:
        """Answer IDLE, which a line has ended."""
        self._session.is_idling = False
        own = Ok("done") if line.strip().upper() == b"DONE" else Bad("expected DONE")
        self._session.at_stage(
            DONE, "", lambda forced: self._speech.say(_with("", own, self._session.state.news()), forced)
        )


_OWN: Final[dict[str, Callable[[Commands, Command, Status | None], None]]] = {
    "CAPABILITY": Commands._capability,  # noqa: SLF001 - its own
    "LOGOUT": Commands._logout,  # noqa: SLF001
    "STARTTLS": Commands._starttls,  # noqa: SLF001
    "IDLE": Commands._idle,  # noqa: SLF001
}


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


def tag_of(line: bytes) -> bytes:
    """Return the tag of a command that could not be read; ``*`` where it has none."""
    cursor = Cursor([line])
    try:
        tag = cursor.tag()
    except Malformed:
        return b"*"
    return tag if cursor.is_at_end or cursor.stands(b" ") else b"*"
