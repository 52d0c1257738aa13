"""What may happen on a connection: `Event`, readable and safe to print.

Knows how to show a line; who records it is `recorder`'s business, and all of them together are a `said.Transcript`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

from smtpfix.safe_text import printable, shorten


class Kind(StrEnum):
    """What an `Event` is."""

    CLIENT = "C"
    """A line from the client, without its CRLF."""
    SECRET = "S*"  # noqa: S105 - a tag, not a password
    """A line from the client that carries a credential, or may be an answer in a login."""
    SERVER = "S"
    """A reply, all its lines, each with its CRLF."""
    CONTENT = "content"
    """Message content, named by its size only; the octets are in the message."""
    NOTE = "--"
    """Something that happened beside the commands: TLS begins, an alert, the end."""


CUT: Final = b"the line was "
"""How the note begins that tells of a command that was too long: the event before it is only its beginning."""


EARLY: Final = b"the client spoke before the greeting"
"""The note that tells so: what it said comes as events after the greeting."""


UNENDED: Final = b"content never ended"
"""How the note begins that tells so of a content that holds what its client may take for the end."""
STOPPED: Final = b"content has not ended"
"""The same while its client may still go on."""


def last_line(reply: bytes) -> str:
    """Return the last line of a reply as printable text; of POP3's longer ones the first."""
    lines = _lines(reply)
    return printable(lines[0] if lines[-1] == b"." else lines[-1])


def _lines(reply: bytes) -> list[bytes]:
    return reply.removesuffix(b"\r\n").split(b"\r\n")


class Event(NamedTuple):
    """One thing that happened."""

    at: float
    """Seconds since the session began."""
    kind: Kind
    data: bytes
    """The octets for CLIENT, SECRET and SERVER; UTF-8 text for CONTENT and NOTE."""
    has_more: bool = False
    """Whether something of the client's was already there after it, before it was answered (RFC 2920)."""
    secret_at: int = 0
    """Of SECRET, where in the line the credential begins: what stands before it may be shown."""

    def __repr__(self) -> str:
        data = repr(self.data)
        if self.kind is Kind.SECRET:  # failed tests show it
            data = f"{self.data[: self.secret_at]!r} {shorten(self.data[self.secret_at :])}"
        return (
            f"Event(at={self.at!r}, kind={self.kind!r}, data={data}, has_more={self.has_more!r}, "
            f"secret_at={self.secret_at!r})"
        )

    @property
    def verb(self) -> str:
        """The first word of a client's line in upper case, whatever octets it is made of; empty for all else."""
        if self.kind not in (Kind.CLIENT, Kind.SECRET):
            return ""
        return b"".join(self.data.split(maxsplit=1)[:1]).upper().decode("ascii", "replace")

    @property
    def lines(self) -> tuple[str, ...]:
        """The event as printable lines without time and side: control characters escaped, credentials shortened."""
        if self.kind is Kind.SECRET:
            return (f"{printable(self.data[: self.secret_at])}{shorten(self.data[self.secret_at :])}",)
        if self.kind is Kind.SERVER:
            return tuple(map(printable, _lines(self.data)))
        return (printable(self.data),)
