"""`Reading`: what a record needs to know about its protocol, passed in by whoever creates the record."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from .transcript import Event

if TYPE_CHECKING:
    from .session import Session
    from .violation import Violation


class Reading:
    """How a protocol reads its own record; this one knows none, and so finds nothing."""

    name = ""
    """The protocol's."""
    counts = "message"
    """What a session's summary counts: each ``message`` that a client delivered, or each ``retrieval`` of one."""

    at_once = ""
    """What Python's standard library has for TLS from the connect on."""

    def verb(self, line: bytes) -> str:
        """Return what a client's line asks for, in upper case: its first word."""
        return b"".join(line.split(maxsplit=1)[:1]).upper().decode("ascii", "replace")

    def carries_secret(self, octets: bytes) -> bool:  # noqa: ARG002 - as those of protocols
        """Return whether a line, or one of several, carries a credential."""
        return False

    def secret_at(self, line: bytes) -> int:  # noqa: ARG002 - as above
        """Return where in a line that carries a credential it begins; 0 where all of it is secret."""
        return 0

    def refuses(self, reply: str) -> bool:  # noqa: ARG002 - as above
        """Return whether the last line of a reply says that something was refused."""
        return False

    def pipelined(self, events: Sequence[Event]) -> Iterable[tuple[bool, tuple[Event, ...]]]:  # noqa: ARG002 - as above
        """Yield the groups of commands that were not said one by one, each with whether that was offered then."""
        return ()

    def violations(self, events: Sequence[Event], *, left_unsaid: bool) -> Iterable[Violation]:  # noqa: ARG002 - as above
        """Yield what is wrong with how a client spoke; `left_unsaid` if it closed the connection without a word."""
        return ()

    def hints(self, session: Session, policy: Any) -> Iterable[str]:  # noqa: ARG002 - as above
        """Yield what may help a client that failed for a known reason, by what the server was told: its `policy`."""
        return ()
