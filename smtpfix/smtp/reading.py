"""How SMTP interprets its own record: what is secret, what is a refusal, and what breaks the standards."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from smtpfix.record.reading import Reading
from smtpfix.record.transcript import Event

from .credentials import carries_credential, credential_at

if TYPE_CHECKING:
    from smtpfix.record.session import Session
    from smtpfix.record.violation import Violation

    from .policy import Policy


class SMTPReading(Reading):
    """SMTP's, and LMTP's."""

    name = "smtp"
    at_once = "smtplib.SMTP_SSL"

    def carries_secret(self, octets: bytes) -> bool:
        """Return whether a line, or one of several, carries a credential."""
        return carries_credential(octets)

    def secret_at(self, line: bytes) -> int:
        """Return where in a line that carries a credential it begins; 0 where all of it is secret."""
        return credential_at(line)

    def refuses(self, reply: str) -> bool:
        """Return whether the last line of a reply is 4yz or 5yz (RFC 5321 section 4.2.1)."""
        return reply[:1] in ("4", "5")

    def pipelined(self, events: Sequence[Event]) -> Iterable[tuple[bool, tuple[Event, ...]]]:
        """Yield the groups of commands that were not said one by one (RFC 2920)."""
        from .violations import pipelined  # noqa: PLC0415 - only who asks for it needs it

        return pipelined(events)

    def violations(self, events: Sequence[Event], *, left_unsaid: bool) -> Iterable[Violation]:
        """Yield what is wrong with how a client spoke; `left_unsaid` if it closed the connection without QUIT."""
        from .violations import in_session  # noqa: PLC0415 - as above

        return in_session(events, left_unsaid=left_unsaid)

    def hints(self, session: Session, policy: Policy) -> Iterable[str]:
        """Yield what may help a client that misses STARTTLS or AUTH."""
        from .hints import on_extensions  # noqa: PLC0415 - as above

        return on_extensions(session, policy)
