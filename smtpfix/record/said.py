"""What was said on one connection, in order, with times: `Transcript`.

Apart from the events because only whoever reads a session needs it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

from .transcript import Event, Kind, last_line


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

    def __iter__(self) -> Iterator[Event]:
        return iter(self.events)

    def __len__(self) -> int:
        return len(self.events)

    @property
    def commands(self) -> tuple[str, ...]:
        """The client's command lines as printable text, credentials shortened."""
        return tuple(event.lines[0] for event in self.events if event.kind in (Kind.CLIENT, Kind.SECRET))

    @property
    def replies(self) -> tuple[str, ...]:
        """The last line of each of the server's replies, as printable text; of POP3's longer ones the first."""
        return tuple(last_line(event.data) for event in self.events if event.kind is Kind.SERVER)

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def __repr__(self) -> str:
        return f"<Transcript of {len(self.events)} events>"

    def _lines(self) -> Iterator[str]:
        for event in self.events:
            side = {Kind.SERVER: "S:", Kind.NOTE: "--"}.get(event.kind, "C:")
            for line in event.lines:
                yield f"{event.at:9.4f} {side} {line}"
