"""One POP3 session: the part of a `Conversation` that is POP3's own.

What a command does to the maildrop is `maildrop`'s to say, what is secret `credentials`'.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final, cast

from smtpfix.conversation.conversation import Conversation
from smtpfix.record.session_end import SessionEnd
from smtpfix.record.transcript import Kind
from smtpfix.rules.action import Action, Answer
from smtpfix.rules.stages import UNKNOWN

from . import replies
from .credentials import WITHOUT_CREDENTIAL, carries_credential, credential_at, verb_of
from .language import TRANSACTION, VERBS
from .login import Pop3Login
from .maildrop import Maildrop
from .policy import Pop3Policy
from .replies import Reply, lines, ok, worded
from .service import Pop3Service

if TYPE_CHECKING:
    from smtpfix.mail.accounts import Account
    from smtpfix.record.recorder import Recorder
    from smtpfix.rules.elsewhere import Elsewhere
    from smtpfix.wire.channel import Channel

_SHOWN: Final = 4096
"""Octets of a list that the transcript keeps."""
_AT_ONCE: Final = 65_536
"""Octets of a reply with which the client has enough to read before the next command is taken."""
_LANGUAGES: Final = {"en": "English", "i-default": "English"}
"""RFC 6856 section 3.2 wants the second."""


class Pop3Conversation(Conversation[Answer]):
    """One session."""

    service: Pop3Service
    policy: Pop3Policy
    login: Pop3Login
    login_kind = Pop3Login

    def __init__(
        self,
        service: Pop3Service,
        channel: Channel,
        recorder: Recorder,
        ended: Callable[[Conversation[Answer]], None],
    ) -> None:
        super().__init__(service, channel, recorder, ended)
        self.maildrop: Maildrop | None = None
        """There from the login on."""
        self.timestamp = f"<{recorder.number}.{time.time_ns()}@{self.policy.hostname}>"
        """What APOP's digest begins with (RFC 1939 section 7)."""
        self._account: Account | None = None
        self._user: str | None = None
        """Whom USER named."""

    # What `Conversation` asks

    def greeting(self) -> Reply:
        """Return what the server greets with."""
        text = self.policy.greeting.replace("{hostname}", self.policy.hostname)
        return ok(f"{text} {self.timestamp}" if self.policy.apop else text)

    def command(self, line: bytes) -> None:
        """Record a command line, which has come without its LF, and answer it."""
        shown = line + b"\n"  # a bare LF ends a command too: it is shown
        if line[-1:] == b"\r":
            line = shown = line[:-1]
        verb = verb_of(line)
        begins = 0 if verb in WITHOUT_CREDENTIAL else credential_at(line)
        is_secret = begins > 0
        if not is_secret and verb not in VERBS and self.login.is_stray_answer(line):
            is_secret = True
            self.login.overhear(line)
        self.recorder.add(Kind.SECRET if is_secret else Kind.CLIENT, shown)
        if verb not in VERBS or not self._has(verb):
            whole = line.strip().decode("utf-8", "surrogateescape")
            self.at_stage(UNKNOWN, whole, lambda forced: self.send(forced or replies.UNKNOWN_COMMAND))
            return
        argument = line[begins:] if verb == "PASS" and begins else line.partition(b" ")[2].strip()
        text = argument.decode("utf-8", "surrogateescape")
        if verb == "AUTH" and text:
            self.login.hear(text)
        elif verb == "PASS":
            self._hear_password(text)
        elif verb == "APOP":
            self.login.hear_digest(text)
        self.at_stage(verb, text, partial(self._perform, verb, text))

    def line_too_long(self) -> None:
        """Answer a line that was over its limit; in a login that ends the login."""
        reply, login, beginning = replies.LINE_TOO_LONG, self.login, self.lines.beginning
        if login.is_running:
            reply = replies.AUTH_LINE_TOO_LONG
            login.end()
        elif carries_credential(beginning) and (verb := verb_of(beginning)) in ("PASS", "APOP", "AUTH"):
            login.turn_away(verb if verb != "AUTH" else beginning.decode("ascii", "replace").split()[1])
        self.send(reply)

    def not_a_line(self) -> None:
        """Answer a ClientHello in clear as an unknown command."""
        self.send(replies.UNKNOWN_COMMAND)

    def timed_out(self) -> None:
        """End the session without a word, and delete nothing (RFC 1939 section 3)."""
        self.end(SessionEnd.TIMEOUT)

    def released(self) -> None:
        """Let go of the maildrop: nothing was deleted unless QUIT said so."""
        self._close()

    # What rooms ask

    def forget(self, user: str | None = None) -> None:
        """Forget all that the client has said."""
        self._user = None
        self._close()
        super().forget(user)

    def open(self, user: str) -> Reply:
        """Open the maildrop of a user who has logged in, and return what it is told."""
        account = self.service.intake.accounts().open(user)
        if self.policy.locks and not account.hold(self):
            return replies.IN_USE
        if self.service.ledger is not None and self.service.ledger.is_too_soon(user):
            account.let_go(self)
            return replies.LOGIN_DELAY
        self._account = account
        self.maildrop = Maildrop(account, self.recorder)
        return self.maildrop.welcome

    def failure(self, *, is_asked: bool) -> Reply:  # noqa: ARG002 - it is the same unasked
        """Return -ERR [SYS/TEMP]: what has failed is not the client's (RFC 3206 section 4)."""
        return replies.LOCAL_ERROR

    def send(self, answer: Answer, end: SessionEnd = SessionEnd.REFUSED) -> None:  # noqa: ARG002 - none ends a session
        """Send a reply; of a message the transcript has the size."""
        reply = worded(answer, with_codes=self.policy.has("RESP-CODES"))
        if self.player.is_silent:
            self.recorder.note(f"not sent, as a rule has it: {reply}")
            return
        own = data = reply.encode()
        if self.player.edits:
            data = self.edited(own)
        line_end = data.find(b"\n") + 1
        if reply.body is None or not line_end:
            self.recorder.add(Kind.SERVER, data)
        elif reply.is_message:
            self.recorder.add(Kind.SERVER, data[:line_end])
            self.recorder.note(f"sent {len(data) - line_end} octets of a message")
            self._sent(reply, (_end(data, line_end) if self.player.edits else len(data)) - len(own))
        elif len(data) <= _SHOWN:
            self.recorder.add(Kind.SERVER, data)
        else:
            self.recorder.add(Kind.SERVER, data[:line_end])
            self.recorder.note(f"and a list of {len(data) - line_end} octets")
        self.channel.write(data)
        if len(data) > _AT_ONCE:
            self.channel.flush()

    def change_elsewhere(self, what: Action) -> None:
        """Have the maildrop change: what this session sees of it stays as it is."""
        if self.maildrop is not None:
            self.maildrop.change_elsewhere(cast("Elsewhere", what))

    # Commands

    def _has(self, verb: str) -> bool:
        """Return whether the policy has a command at all."""
        if verb == "APOP":
            return self.policy.apop
        return {"PASS": "USER", "AUTH": "SASL"}.get(verb, verb) not in self.policy.hide

    def _hear_password(self, password: str) -> None:
        """Take PASS in, which only follows USER (RFC 1939 section 7); what it gives away is on record in any case."""
        refusal = replies.USER_FIRST if self._user is None else None
        self.login.hear_password(self._user or "", password, refusal)
        self._user = None

    def _perform(self, verb: str, argument: str, forced: Answer | None) -> None:
        """Perform a command and answer it; given a rule's reply, it only takes effect where both agree."""
        if verb in ("PASS", "APOP") or (verb == "AUTH" and self.login.is_open):
            self.login.conclude(forced)
        elif verb == "STLS":
            self._stls(argument, forced)
        elif forced is not None and not forced.is_positive:
            self.send(forced)
        elif verb in TRANSACTION:
            own = replies.LOG_IN_FIRST if self.maildrop is None else self.maildrop.perform(verb, argument)
            if forced is not None and self.maildrop is not None:
                self.maildrop.sent = None
            self.send(forced or own)
        elif verb == "QUIT":
            self._quit(argument, forced)
        else:
            self.send(forced or self._own[verb](self, argument))

    def _stls(self, argument: str, forced: Answer | None) -> None:
        """Answer STLS (RFC 2595 section 4); after a ``+OK`` TLS begins."""
        if self.channel.in_tls:
            own = replies.TLS_ALREADY_ON
        elif not self.policy.has_starttls or self.maildrop is not None:
            own = replies.NO_STLS
        else:
            own = replies.NO_ARGUMENT if argument else replies.START_TLS
        self.send(forced or own)
        if own is replies.START_TLS and (forced is None or forced.is_positive):
            self.upgrade.begin_by("STLS")

    def _quit(self, argument: str, forced: Answer | None) -> None:
        """Delete what was marked, and end the session (RFC 1939 section 6)."""
        if argument:
            self.send(forced or replies.NO_ARGUMENT)
            return
        if self.maildrop is not None:
            self.maildrop.update()
        self._close()
        self.send(forced or replies.BYE)
        self.end(SessionEnd.QUIT)

    def _user_command(self, argument: str) -> Reply:
        refusal = self.login.refuse()
        self._user = argument or None
        self.recorder.is_wary = True  # a password follows, whatever it is answered
        if refusal is not None:
            return worded(refusal)
        return replies.GO_ON if argument else replies.USER_NEEDED

    def _capa(self, argument: str) -> Reply:
        if argument:
            return replies.NO_ARGUMENT
        return ok(
            "what there is",
            lines(
                *self.service.capabilities(
                    in_tls=self.channel.in_tls,
                    has_certificate=self._has_certificate,
                    logged_in=self.maildrop is not None,
                )
            ),
        )

    def _auth(self, _argument: str) -> Reply:
        """List the mechanisms to a client that names none, as servers have always done."""
        if (refusal := self.login.refuse()) is not None:
            return worded(refusal)
        in_tls = self.channel.in_tls
        names = self.policy.mechanisms_for(in_tls=in_tls, has_certificate=self._has_certificate)
        return ok("mechanisms", lines(*names))

    def _utf8(self, argument: str) -> Reply:
        if argument:
            return replies.NO_ARGUMENT
        return replies.UTF8 if self.maildrop is None else replies.LOGGED_IN

    @staticmethod
    def _lang(argument: str) -> Reply:
        """List the languages, or take one of them (RFC 6856 section 3)."""
        if not argument:
            return ok("languages", lines(*(f"{tag} {name}" for tag, name in _LANGUAGES.items())))
        tag = "i-default" if argument == "*" else argument.lower()
        return ok(f"{tag} {_LANGUAGES[tag]} from here on") if tag in _LANGUAGES else replies.UNKNOWN_LANGUAGE

    @property
    def _has_certificate(self) -> bool:
        tls = self.recorder.tls
        return tls is not None and tls.client_certificate is not None

    def _sent(self, reply: Reply, more: int) -> None:
        """Note that a message was sent, with so many octets more than it has; fewer where a rule has it end early."""
        drop = self.maildrop
        if drop is None or drop.sent is None:
            return
        entry, end = drop.sent
        drop.sent = None
        if more < 0:
            end = max(min(end, len(reply.body or b"") + more), 0)
        if drop.reader.wrote(entry, 0, end):
            octets = len(entry.mail.content)
            self.recorder.retrieved(self.login.user or "", "INBOX", entry.uid, octets, in_tls=self.channel.in_tls)

    def _close(self) -> None:
        """Let go of the maildrop."""
        if self._account is not None:
            self._account.let_go(self)
        self.maildrop = self._account = None

    _own: Final[dict[str, Callable[[Pop3Conversation, str], Reply]]] = {
        "USER": _user_command,
        "CAPA": _capa,
        "AUTH": _auth,
        "UTF8": _utf8,
        "LANG": lambda self, argument: self._lang(argument),
    }


def _end(answer: bytes, begin: int) -> int:
    """Return where a message ends for who reads it: after the first line that is a dot (RFC 1939 section 3)."""
    dot = answer.find(b"\n.\r\n", begin - 1)
    return len(answer) if dot < 0 else dot + 4
