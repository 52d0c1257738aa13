"""Collects the facts of one connection while it lives, and gives them out as a `Session` whenever asked.

Written by the server's thread only; read from any thread.
"""

from __future__ import annotations

import time
from array import array
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from smtpfix.policy.mode import Mode
from smtpfix.policy.server_policy import DEFAULT_MAX_EVENTS
from smtpfix.safe_text import excerpt
from smtpfix.tls.client_hello import ClientHello
from smtpfix.tls.facts import Alert, TLSFailure, TLSInfo

from .reading import Reading
from .session import AuthAttempt, Session, SessionEnd
from .transcript import Event, Kind, Transcript

if TYPE_CHECKING:
    from smtpfix.record.xclient import XClient
    from smtpfix.wire.proxy_header import ProxyHeader


@dataclass(frozen=True, slots=True)
class RecordedServer:
    """What all records of one server have in common."""

    mode: Mode = Mode.PLAIN
    reading: Reading = field(default_factory=Reading)
    """The protocol it speaks, for what only that can tell of a record."""
    max_events: int = DEFAULT_MAX_EVENTS
    """Events that a transcript keeps."""


class Recorder:
    """The growing record of one session."""

    __slots__ = (
        "_began",
        "_columns",
        "_ended",
        "_left_out",
        "_most",
        "_reading",
        "_server",
        "_server_address",
        "_started",
        "alerts",
        "auth",
        "client",
        "client_hello",
        "client_name",
        "end",
        "injected",
        "is_wary",
        "message_count",
        "number",
        "peer",
        "proxy",
        "tls",
        "tls_failure",
        "xclient",
    )

    def __init__(self, server: RecordedServer, number: int, client: tuple[str, int], address: tuple[str, int]) -> None:
        self.number = number
        self._server = server
        self._reading = server.reading
        self.client = self.peer = client
        self._server_address = address
        self._started = time.time()
        self._began = time.monotonic()
        self._ended: float | None = None
        # One list a column, when and what and which octets: a tuple an event would cost five times the memory.
        # The last has the places of those that had more behind them: few, where there are any.
        self._columns: tuple[array[float], list[Kind], list[bytes], array[int]] = (array("d"), [], [], array("q"))
        self._most = server.max_events
        self._left_out = 0
        self.end: SessionEnd | None = None
        self.client_name: str | None = None
        self.tls: TLSInfo | None = None
        self.tls_failure: TLSFailure | None = None
        self.client_hello: ClientHello | None = None
        self.alerts: list[Alert] = []
        self.auth: list[AuthAttempt] = []
        self.message_count = 0
        self.injected = b""
        self.is_wary = False
        """Whether stray octets may be answers in a login: one has begun, or something was injected before TLS."""
        self.proxy: ProxyHeader | None = None
        self.xclient: XClient | None = None

    def add(self, kind: Kind, data: bytes) -> None:
        """Record an event of the transcript."""
        times, kinds, octets, _ = self._columns
        times.append(time.monotonic())
        kinds.append(kind)
        octets.append(data)  # last: readers in other threads go by its length
        if len(octets) > self._most:
            self._leave_out()

    def follow(self) -> None:
        """Note that the event about to be added is the client's and has more behind it, before it is answered."""
        _, _, octets, followed = self._columns
        followed.append(len(octets))

    def unfollow(self) -> None:
        """Take that back: what stands behind it belongs to it."""
        _, _, octets, followed = self._columns
        if followed and followed[-1] == len(octets):
            followed.pop()

    def _leave_out(self) -> None:
        """Drop a quarter of the events from the middle: how a long session began and what came last are kept."""
        times, kinds, octets, followed = self._columns
        head = self._most // 2
        tail = head + self._most // 4
        self._left_out += tail - head - (self._left_out > 0)  # the note of the last time goes too
        note = f"{self._left_out} events left out: the transcript keeps {self._most} (Policy.max_events)"
        self._columns = (
            times[: head + 1] + times[tail:],
            [*kinds[:head], Kind.NOTE, *kinds[tail:]],
            [*octets[:head], note.encode(), *octets[tail:]],
            array("q", [at if at < head else at - tail + head + 1 for at in followed if not head <= at < tail]),
        )

    def add_stray(self, octets: bytes) -> None:
        """Record octets of the client's that are not commands, such as clear text in the place of TLS."""
        self.add(Kind.SECRET if self.is_wary or self._reading.carries_secret(octets) else Kind.CLIENT, octets)

    def add_beginning(self, octets: bytes, *, is_answer: bool) -> None:
        """Record the beginning of a line that is over its limit; one that answers in a login is secret."""
        self.add(Kind.SECRET if is_answer or self._reading.carries_secret(octets) else Kind.CLIENT, octets)

    def excerpt(self, octets: bytes, limit: int) -> str:
        """Return how a note shows stray octets: their beginning, or with a credential in that only their number."""
        is_secret = self.is_wary or self._reading.carries_secret(octets[:limit])
        return excerpt(octets, limit, is_secret=is_secret)

    def note(self, text: str) -> None:
        """Record something that happened beside the commands."""
        self.add(Kind.NOTE, text.encode())

    def finish(self, end: SessionEnd) -> None:
        """Record how the session ended; the first word counts."""
        if self.end is None:
            self.note(f"end: {end}")
            self._ended = time.monotonic()
            self.end = end

    @property
    def events(self) -> tuple[Event, ...]:
        """The transcript's events up to now."""
        began = self._began
        times, kinds, octets, places = self._columns
        columns = enumerate(zip(times, kinds, tuple(octets), strict=False))
        followed = frozenset(places)
        secret_at = self._reading.secret_at
        return tuple(
            Event(at - began, kind, data, place in followed, secret_at(data) if kind is Kind.SECRET else 0)
            for place, (at, kind, data) in columns
        )

    def session(self) -> Session:
        """Return the session as it stands now."""
        events = self.events
        last = events[-1].at if events else 0.0
        return Session(
            number=self.number,
            mode=self._server.mode,
            client=self.client,
            server=self._server_address,
            started=datetime.fromtimestamp(self._started, UTC),
            duration=self._ended - self._began if self._ended is not None else last,
            end=self.end,
            client_name=self.client_name,
            tls=self.tls,
            tls_failure=self.tls_failure,
            client_hello=self.client_hello,
            alerts=tuple(self.alerts),
            auth=tuple(self.auth),
            message_count=self.message_count,
            injected=self.injected,
            transcript=Transcript(events),
            peer=self.peer,
            proxy=self.proxy,
            xclient=self.xclient,
            _reading=self._reading,
        )
