"""How IMAP interprets its own record: what is secret, what is a refusal, and what breaks the standards."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from smtpfix.record.reading import Reading
from smtpfix.record.transcript import Event
from smtpfix.record.violation import Violation

from .credentials import carries_credential, secret_at, verb_of

if TYPE_CHECKING:
    from smtpfix.policy.server_policy import ServerPolicy
    from smtpfix.record.session import Session

_REFUSAL: Final = re.compile(r"\S+ (?:NO|BAD)\b|\* BYE\b")


class IMAPReading(Reading):
    """IMAP's."""

    name = "imap"
    counts = "retrieval"
    at_once = "imaplib.IMAP4_SSL"

    def verb(self, line: bytes) -> str:
        """Return what a client's line asks for, in upper case: the word after its tag, or its only one."""
        return verb_of(line).decode("ascii", "replace") or super().verb(line)

    def carries_secret(self, octets: bytes) -> bool:
        """Return whether a line, or one of several, carries a credential."""
        return carries_credential(octets)

    def secret_at(self, line: bytes) -> int:
        """Return where in a line that carries a credential it begins; 0 where all of it is secret."""
        return secret_at(line)

    def refuses(self, reply: str) -> bool:
        """Return whether the last line of an answer is NO or BAD, or BYE (RFC 9051 section 7.1)."""
        return _REFUSAL.match(reply) is not None

    def pipelined(self, events: Sequence[Event]) -> Iterable[tuple[bool, tuple[Event, ...]]]:
        """Yield the groups of commands that were not said one by one (RFC 9051 section 5.5)."""
        from .violations import pipelined  # noqa: PLC0415 - only who asks for it needs it

        return pipelined(events)

    def violations(self, events: Sequence[Event], *, left_unsaid: bool) -> Iterable[Violation]:
        """Yield what is wrong with how a client spoke; `left_unsaid` if it closed the connection without LOGOUT."""
        from .violations import in_session  # noqa: PLC0415 - as above

        return in_session(events, left_unsaid=left_unsaid)

    def hints(self, session: Session, policy: ServerPolicy) -> Iterable[str]:
        """Yield what may help a client that misses STARTTLS or a login."""
        from smtpfix.record.login_hints import on_login  # noqa: PLC0415 - as above

        return on_login(session, policy, self, "STARTTLS")
