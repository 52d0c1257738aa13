"""LOGIN and AUTHENTICATE (RFC 9051 sections 6.2.2 and 6.2.3): when a client may log in, and what it is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from smtpfix.conversation.login import Login
from smtpfix.login.exchange import Challenge, Malformed, Outcome, Verdict
from smtpfix.login.mechanisms import Plain
from smtpfix.rules.status import Ok, Status

from .credentials import is_command
from .status import Bad, GoOn, No

if TYPE_CHECKING:
    from .conversation import IMAPConversation

_VERDICTS: Final[dict[Verdict, Status]] = {
    Verdict.BAD_CREDENTIALS: No("wrong user or password", "AUTHENTICATIONFAILED"),
    Verdict.CANCELLED: Bad("the login was cancelled"),
    Verdict.NOT_BASE64: Bad("expected base64"),
    Verdict.UNKNOWN_MECHANISM: No("there is no such mechanism here", "CANNOT"),
    Verdict.MALFORMED_COMMAND: Bad("expected a mechanism, and one initial response at the most"),
}


class IMAPLogin(Login[Status]):
    """One session's."""

    _connection: IMAPConversation

    def refuse(self) -> Status | None:
        """Return the answer to a client that may not log in at this stage; None if it may."""
        connection = self._connection
        policy, in_tls = connection.policy, connection.channel.in_tls
        if connection.state.account is not None:
            return Bad("you have logged in already")
        if policy.allows_auth(in_tls=in_tls):
            return None
        if policy.uses_tls and not in_tls and policy.users is not None:
            return No("logging in is disabled outside TLS", "PRIVACYREQUIRED")
        return No("nobody can log in here")

    def word(self, outcome: Outcome) -> Status:
        """Return what a client is told that has come so far."""
        match outcome:
            case Verdict.ACCEPTED:
                return Ok("welcome", "CAPABILITY " + " ".join(self._connection.engine.capabilities))
            case Verdict():
                return _VERDICTS[outcome]
            case Challenge():
                return GoOn(outcome.encoded)
            case Malformed():
                return Bad(outcome.reason)

    def hear_password(self, user: str, password: str) -> None:
        """Take a user and a password in, as LOGIN gives them, and decide on the answer."""
        response = f"\0{user}\0{password}".encode("utf-8", "surrogateescape")
        self.hear_at_once("LOGIN", Plain(self._connection.policy.users), response)

    def is_challenge(self, answer: Status) -> bool:
        """Return whether an answer asks the client to go on, whatever it says."""
        return isinstance(answer, GoOn)

    def is_acceptance(self, answer: Status) -> bool:
        """Return whether an answer tells the client that it is authenticated."""
        return isinstance(answer, Ok)

    def ends_in_challenge(self, octets: bytes) -> bool:
        """Return whether the last line that a rule sent instead of an answer asks the client to go on."""
        return octets.rstrip(b"\r\n").rpartition(b"\n")[2].startswith(b"+")

    def is_command(self, line: bytes) -> bool:
        """Return whether a line is a command, and so no answer in a login."""
        return is_command(line)

    def end(self, *, accepted: bool = False) -> None:
        """Record the attempt as it has ended; who is accepted has an account."""
        super().end(accepted=accepted)
        if accepted:
            self._connection.logged_in(self.user)
