"""`TellingRecorder`: a record that reports each event as it happens."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from smtpfix.clock import monotonic

from .recorder import RecordedServer, Recorder
from .transcript import Event, Kind

if TYPE_CHECKING:
    from typing import TypeAlias

    Tell: TypeAlias = Callable[[int, Event], None]


class TellingRecorder(Recorder):
    """A recorder that calls `tell` with its number and each event, in the server's thread."""

    __slots__ = ("_tell",)

    def __init__(
        self, tell: Tell, server: RecordedServer, number: int, client: tuple[str, int], address: tuple[str, int]
    ) -> None:
        super().__init__(server, number, client, address)
        self._tell = tell

    def add(self, kind: Kind, data: bytes) -> None:
        """Record an event of the transcript, and tell of it."""
        super().add(kind, data)
        secret_at = self._reading.secret_at(data) if kind is Kind.SECRET else 0
        self._tell(self.number, Event(monotonic() - self._began, kind, data, secret_at=secret_at))
