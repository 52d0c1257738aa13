"""How POP3 interprets its own record: what is secret, what is a refusal, and what breaks the standards."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from smtpfix.record.reading import Reading
from smtpfix.record.transcript import Event
from smtpfix.record.violation import Violation

from .credentials import carries_credential, credential_at

if TYPE_CHECKING:
    from smtpfix.policy.server_policy import ServerPolicy
    from smtpfix.record.session import Session


class Pop3Reading(Reading):
    """POP3's."""

    name = "pop3"
    counts = "retrieval"
    at_once = "poplib.POP3_SSL"

    def carries_secret(self, octets: bytes) -> bool:
        """Return whether a line, or one of several, carries a credential."""
        return carries_credential(octets)

    def secret_at(self, line: bytes) -> int:
        """Return where in a line that carries a credential it begins; 0 where all of it is secret."""
        return credential_at(line)

    def refuses(self, reply: str) -> bool:
        """Return whether a reply is ``-ERR``."""
        return reply.startswith("-ERR")

    def pipelined(self, events: Sequence[Event]) -> Iterable[tuple[bool, tuple[Event, ...]]]:
        """Yield the groups of commands that were not said one by one (RFC 2449 section 6.6)."""
        from .violations import pipelined  # noqa: PLC0415 - only who asks for it needs it

        return pipelined(events)

    def violations(self, events: Sequence[Event], *, left_unsaid: bool) -> Iterable[Violation]:
        """Yield what is wrong with how a client spoke; `left_unsaid` if it closed the connection without QUIT."""
        from .violations import in_session  # noqa: PLC0415 - as above

        return in_session(events, left_unsaid=left_unsaid)

    def hints(self, session: Session, policy: ServerPolicy) -> Iterable[str]:
        """Yield what may help a client that misses STLS or a login."""
        from smtpfix.record.login_hints import on_login  # noqa: PLC0415 - as above

        return on_login(session, policy, self, "STLS")
