"""Logins in POP3: USER and PASS, APOP, and AUTH (RFC 5034). A login opens the maildrop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from smtpfix.conversation.login import Login
from smtpfix.login.exchange import Challenge, Malformed, Outcome, Verdict
from smtpfix.login.mechanisms import Plain
from smtpfix.rules.action import Answer

from . import replies
from .apop import Apop
from .credentials import verb_of
from .language import VERBS
from .replies import Reply

if TYPE_CHECKING:
    from .conversation import Pop3Conversation

_VERDICTS: Final = {
    Verdict.BAD_CREDENTIALS: replies.BAD_CREDENTIALS,
    Verdict.CANCELLED: replies.CANCELLED,
    Verdict.NOT_BASE64: replies.NOT_BASE64,
    Verdict.UNKNOWN_MECHANISM: replies.UNKNOWN_MECHANISM,
    Verdict.MALFORMED_COMMAND: replies.AUTH_FORM,
}


class Pop3Login(Login[Answer]):
    """One session's."""

    _connection: Pop3Conversation

    def refuse(self) -> Answer | None:
        """Return the reply to a client that may not log in at this stage; None if it may."""
        if self._connection.maildrop is not None:
            return replies.LOGGED_IN
        policy = self._connection.policy
        if policy.allows_auth(in_tls=self._connection.channel.in_tls):
            return None
        return replies.TLS_FIRST if policy.has_starttls and policy.users is not None else replies.NO_LOGIN

    def word(self, outcome: Outcome) -> Answer:
        """Return the reply to what came of a step."""
        match outcome:
            case Verdict.ACCEPTED:
                return replies.ok("welcome")
            case Verdict():
                return _VERDICTS[outcome]
            case Challenge():
                return Reply("+", outcome.encoded)
            case Malformed():
                return replies.err(outcome.reason)

    def hear_password(self, user: str, password: str, refusal: Answer | None = None) -> None:
        """Take a user and a password in, as PASS gives them, and decide on the answer."""
        response = f"\0{user}\0{password}".encode("utf-8", "surrogateescape")
        self.hear_at_once("USER", Plain(self._connection.policy.users), response, refusal)

    def hear_digest(self, argument: str, refusal: Answer | None = None) -> None:
        """Take a user and a digest in, as APOP gives them, and decide on the answer."""
        exchange = Apop(self._connection.policy.users, self._connection.timestamp)
        self.hear_at_once("APOP", exchange, argument.encode("utf-8", "surrogateescape"), refusal)

    def settle(self, forced: Answer | None = None) -> Answer:
        """Return the answer to what was heard; whoever is accepted gets its maildrop, unless that is not to be had."""
        answer = super().settle(forced)
        if self.is_running or self.user is None or self._connection.maildrop is not None:
            return answer
        opened = self._connection.open(self.user)
        if not opened.is_positive:
            self.forget()
            return opened
        return forced or opened

    def is_challenge(self, answer: Answer) -> bool:
        """Return whether a reply asks for more; a rule's never does."""
        return isinstance(answer, Reply) and answer.sign == "+"

    def is_acceptance(self, answer: Answer) -> bool:
        """Return whether a reply is positive."""
        return answer.is_positive

    def ends_in_challenge(self, octets: bytes) -> bool:
        """Return whether the last line of these octets begins with ``+`` and a space (RFC 5034 section 4)."""
        return octets.removesuffix(b"\r\n").rpartition(b"\n")[2].startswith(b"+ ")

    def is_command(self, line: bytes) -> bool:
        """Return whether a line begins with a verb."""
        return verb_of(line) in VERBS
