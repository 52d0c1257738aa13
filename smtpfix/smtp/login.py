"""AUTH (RFC 4954): when a client may use it, and the replies to each step of the exchange."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from smtpfix.conversation.login import Login
from smtpfix.later import Later
from smtpfix.policy.mode import Mode
from smtpfix.rules.reply import Reply

from . import replies
from .credentials import asks_for_login

if TYPE_CHECKING:
    from smtpfix.login import exchange as sasl

    from .conversation import SMTPConversation
else:
    sasl = Later("login.exchange")

_CHALLENGE: Final = 334
"""The reply code of a challenge, RFC 4954 section 4."""
_LONGEST_VERB: Final = 32
"""Octets, with white space in front of it."""
_VERDICTS: Final = {
    "ACCEPTED": replies.AUTHENTICATED,
    "BAD_CREDENTIALS": replies.BAD_CREDENTIALS,
    "CANCELLED": replies.AUTH_CANCELLED,
    "NOT_BASE64": replies.NOT_BASE64,
    "UNKNOWN_MECHANISM": replies.UNKNOWN_MECHANISM,
    "MALFORMED_COMMAND": replies.AUTH_SYNTAX,
}
"""By the name of a `Verdict`."""


class SMTPLogin(Login[Reply]):
    """One session's."""

    _connection: SMTPConversation

    def refuse(self) -> Reply | None:
        """Return the reply to an AUTH command that the policy does not allow at this stage; None if it does."""
        policy = self._connection.policy
        in_tls = self._connection.channel.in_tls
        if policy.mode is Mode.TLS_REQUIRED and not in_tls and not policy.auth_in_clear:
            return replies.TLS_REQUIRED
        if not policy.has_auth:
            return replies.NOT_IMPLEMENTED
        if not policy.allows_auth(in_tls=in_tls):
            return replies.ENCRYPTION_REQUIRED
        engine = self._connection.engine
        if not engine.is_extended:
            return replies.HELO_FIRST
        if self.is_complete:
            return replies.ALREADY_AUTHENTICATED
        return replies.NO_AUTH_IN_TRANSACTION if engine.has_sender else None

    def word(self, outcome: sasl.Outcome) -> Reply:
        """Return the reply to what came of a step."""
        match outcome:
            case sasl.Verdict():
                return _VERDICTS[outcome.name]
            case sasl.Challenge():
                return Reply(_CHALLENGE, None, outcome.encoded)
            case sasl.Malformed():
                # RFC 4954 section 4 has a code of its own for an initial response where the server speaks first.
                standard = replies.RESPONSE_TOO_EARLY if outcome.server_first else replies.MALFORMED_RESPONSE
                return replies.detailed(standard, outcome.reason)

    def is_challenge(self, answer: Reply) -> bool:
        """Return whether a reply is 334, whatever it says."""
        return answer.code == _CHALLENGE

    def is_acceptance(self, answer: Reply) -> bool:
        """Return whether a reply is 235 (RFC 4954 section 4)."""
        return answer.code == replies.AUTHENTICATED.code

    def ends_in_challenge(self, octets: bytes) -> bool:
        """Return whether a line of these octets is a 334."""
        return bool(octets.rpartition(b"\n334")[1]) or octets.startswith(b"334")

    def is_command(self, line: bytes) -> bool:
        """Return whether a line begins with a verb, or is AUTH in a form of its own."""
        from .commands import COMMANDS  # noqa: PLC0415 - which has a login

        verb = line[:_LONGEST_VERB].split(maxsplit=1)[:1]
        return bool(verb) and (verb[0].decode("ascii", "replace").upper() in COMMANDS or asks_for_login(line) > 0)
