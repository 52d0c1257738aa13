"""What was said on one connection, in order, with times; readable by a person and safe to print.

Knows how to show a line; who records it is `recorder`'s business.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple, overload

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
"""The note that tells so: what it said comes as events behind the greeting."""


UNENDED: Final = b"content never ended"
"""How the note begins that tells so of a content that holds what its client may take for the end."""
STOPPED: Final = b"content has not ended"
"""The same while its client may still go on."""


class Event(NamedTuple):
    """One thing that happened."""

    at: float
    """Seconds since the session began."""
    kind: Kind
    data: bytes
    """The octets for CLIENT, SECRET and SERVER; UTF-8 text for CONTENT and NOTE."""
    has_more: bool = False
    """Whether something of the client's was already there behind it, before it was answered (RFC 2920)."""
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
            return tuple(printable(line) for line in self.data.removesuffix(b"\r\n").split(b"\r\n"))
        return (printable(self.data),)


@dataclass(frozen=True, slots=True, repr=False)
class Transcript(Sequence[Event]):
    """The events of a session, in order; ``print(session.transcript)`` shows them."""

    events: tuple[Event, ...] = ()

    @overload
    def __getitem__(self, index: int) -> Event: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Event, ...]: ...
    def __getitem__(self, index: int | slice) -> Event | tuple[Event, ...]:
        return self.events[index]

    def __len__(self) -> int:
        return len(self.events)

    @property
    def commands(self) -> tuple[str, ...]:
        """The client's command lines as printable text, credentials shortened."""
        return tuple(event.lines[0] for event in self.events if event.kind in (Kind.CLIENT, Kind.SECRET))

    @property
    def replies(self) -> tuple[str, ...]:
        """The last line of each of the server's replies, as printable text; of POP3's longer ones the first."""
        replies = (event.lines for event in self.events if event.kind is Kind.SERVER)
        return tuple(lines[0] if lines[-1] == "." else lines[-1] for lines in replies)

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def __repr__(self) -> str:
        return f"<Transcript of {len(self.events)} events>"

    def _lines(self) -> Iterator[str]:
        for event in self.events:
            side = {Kind.SERVER: "S:", Kind.NOTE: "--"}.get(event.kind, "C:")
            for line in event.lines:
                yield f"{event.at:9.4f} {side} {line}"
