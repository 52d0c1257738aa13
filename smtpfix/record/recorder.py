"""`Recorder`: it collects the facts of one connection while it lasts, and builds a `Session` on request.

Written by the server's thread only; read from any thread.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from smtpfix.clock import monotonic
from smtpfix.policy.mode import Mode
from smtpfix.policy.server_policy import DEFAULT_MAX_EVENTS, DEFAULT_MAX_TRANSCRIPT_OCTETS
from smtpfix.safe_text import excerpt

from .reading import Reading
from .session_end import SessionEnd
from .transcript import Event, Kind

if TYPE_CHECKING:
    from smtpfix.record.xclient import XClient
    from smtpfix.tls.client_hello import ClientHello
    from smtpfix.tls.facts import Alerts, TLSFailure, TLSInfo
    from smtpfix.wire.proxy_header import ProxyHeader

    from .session import AuthAttempts, Retrievals, Session
_MOST_INJECTED: Final = 65_536
"""Octets of what came after STARTTLS that a session keeps."""
_EVENT: Final = 60
"""Octets of memory that an event takes beside its own."""
_ATTEMPT: Final = 12_288
"""Octets that an AUTH command may have said, RFC 4954 section 4."""
_RETRIEVAL: Final = 200
"""Octets of memory that a retrieval takes."""


_END_NOTES: Final = {end: f"end: {end}".encode() for end in SessionEnd}
"""Encoded once, so that all records hold the same octets."""


class RecordedServer(NamedTuple):
    """What all records of one server have in common."""

    mode: Mode = Mode.PLAIN
    reading: Reading = Reading()
    """The protocol it speaks, for what only that can tell of a record."""
    max_events: int = DEFAULT_MAX_EVENTS
    """Events that a transcript keeps."""
    max_transcript_octets: int = DEFAULT_MAX_TRANSCRIPT_OCTETS
    """Octets of these."""


class Recorder:
    """The growing record of one session."""

    __slots__ = (
        "_alerts",
        "_auth",
        "_began",
        "_columns",
        "_ended",
        "_head",
        "_hello",
        "_injected_count",
        "_left_out",
        "_most",
        "_most_octets",
        "_octets",
        "_reading",
        "_server",
        "_server_address",
        "_started",
        "client",
        "client_name",
        "end",
        "injected",
        "is_wary",
        "message_count",
        "number",
        "peer",
        "proxy",
        "retrievals",
        "tls",
        "tls_failure",
        "weight",
        "xclient",
    )

    def __init__(self, server: RecordedServer, number: int, client: tuple[str, int], address: tuple[str, int]) -> None:
        self.number = number
        self._server = server
        self._reading = server.reading
        self.client = self.peer = client
        self._server_address = address
        self._started = time.time()
        self._began = monotonic()
        self._ended: float | None = None
        # One list a column, when and what and which octets: a tuple an event would cost five times the memory.
        # The last has the places of those that had more after them: few, where there are any.
        self._columns: tuple[array[float], list[Kind], list[bytes], array[int]] = (array("d"), [], [], array("q"))
        self._most, self._most_octets = server.max_events, server.max_transcript_octets
        self._octets = 0
        self._left_out = 0
        self._head: int | None = None
        self.end: SessionEnd | None = None
        self.client_name: str | None = None
        self.tls: TLSInfo | None = None
        self.tls_failure: TLSFailure | None = None
        self._hello: ClientHello | bytes | None = None
        self._alerts: Alerts | None = None
        self._auth: AuthAttempts | None = None
        self.weight = 0
        """About how many octets of memory it takes, once it is over."""
        self.message_count = 0
        self.injected = b""
        self._injected_count = 0
        self.is_wary = False
        """Whether stray octets may be answers in a login: one has begun, or something was injected before TLS."""
        self.proxy: ProxyHeader | None = None
        self.retrievals: Retrievals | None = None
        """What a client read; None until it has."""
        self.xclient: XClient | None = None

    def add(self, kind: Kind, data: bytes) -> None:
        """Record an event of the transcript."""
        times, kinds, octets, _ = self._columns
        times.append(monotonic())
        kinds.append(kind)
        octets.append(data)  # last: readers in other threads go by its length
        self._octets += len(data)
        if self._octets > self._most_octets or len(octets) > self._most:
            self._leave_out()

    def follow(self) -> None:
        """Note that the event about to be added is the client's and has more after it, before it is answered."""
        _, _, octets, followed = self._columns
        followed.append(len(octets))

    def unfollow(self) -> None:
        """Take that back: what follows it belongs to it."""
        _, _, octets, followed = self._columns
        if followed and followed[-1] == len(octets):
            followed.pop()

    def _leave_out(self) -> None:
        """Drop events from the middle: how a long session began and what came last are kept."""
        times, kinds, octets, followed = self._columns
        is_long = len(octets) > self._most
        if self._head is None:
            self._head = min(self._most // 2, _within(octets, self._most_octets // 2))
        head = self._head
        tail = head + self._most // 4 if is_long else head
        tail = min(max(tail, len(octets) - _within(reversed(octets), self._most_octets // 4)), len(octets) - 1)
        if tail == head:  # one that is too large by itself stays until the next one comes
            return
        self._left_out += tail - head - (self._left_out > 0)  # the note of the last time goes too
        keeps = (
            f"{self._most} (Policy.max_events)"
            if is_long
            else f"{self._most_octets} octets (Policy.max_transcript_octets)"
        )
        note = f"{self._left_out} events left out: the transcript keeps {keeps}"
        self._columns = (
            times[: head + 1] + times[tail:],
            [*kinds[:head], Kind.NOTE, *kinds[tail:]],
            [*octets[:head], note.encode(), *octets[tail:]],
            array("q", [at if at < head else at - tail + head + 1 for at in followed if not head <= at < tail]),
        )
        self._octets = sum(map(len, self._columns[2]))

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

    def inject(self, octets: bytes) -> None:
        """Record what came in clear where TLS has to begin."""
        self._injected_count += len(octets)
        self.injected += octets[: _MOST_INJECTED - len(self.injected)]

    @property
    def auth(self) -> AuthAttempts:
        """The AUTH commands that are over."""
        if self._auth is None:
            from .session import AuthAttempts  # noqa: PLC0415 - few clients log in

            self._auth = AuthAttempts()
        return self._auth

    @property
    def alerts(self) -> Alerts:
        """The TLS alerts; those of the connection's TLS, once it has begun."""
        if self._alerts is None:
            from smtpfix.tls.facts import Alerts  # noqa: PLC0415 - many servers know no TLS

            self._alerts = Alerts()
        return self._alerts

    @alerts.setter
    def alerts(self, alerts: Alerts) -> None:
        self._alerts = alerts

    @property
    def client_hello(self) -> ClientHello | None:
        """What the client offered in TLS; its octets are kept, and read whenever somebody asks."""
        hello = self._hello
        if not isinstance(hello, bytes):
            return hello
        from smtpfix.tls.client_hello import parse_client_hello  # noqa: PLC0415 - many servers know no TLS

        return parse_client_hello(hello)

    @client_hello.setter
    def client_hello(self, hello: ClientHello | bytes | None) -> None:
        self._hello = hello

    def retrieved(self, user: str, folder: str, uid: int, octets: int, *, in_tls: bool) -> None:
        """Record that a message was written out whole: a `Retrieval`."""
        if self.retrievals is None:
            from .session import Retrievals  # noqa: PLC0415 - few clients read mail

            self.retrievals = Retrievals()
        self.retrievals.append((user, folder, uid, octets, in_tls))

    def note(self, text: str) -> None:
        """Record something that happened beside the commands."""
        self.add(Kind.NOTE, text.encode())

    def finish(self, end: SessionEnd) -> None:
        """Record how the session ended; the first word counts."""
        if self.end is None:
            self.add(Kind.NOTE, _END_NOTES[end])
            self._ended = monotonic()
            self.end = end
            self.weight = self._octets + len(self._columns[2]) * _EVENT
            if self._auth:
                self.weight += len(self._auth) * _ATTEMPT
            if self.injected:
                self.weight += len(self.injected)
            if self.retrievals is not None:
                self.weight += len(self.retrievals) * _RETRIEVAL
            if isinstance(self._hello, bytes):
                self.weight += len(self._hello)

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

    @property
    def _truncated(self) -> tuple[str, ...]:
        counts = (
            (self._left_out, "events of the transcript"),
            (0 if self._auth is None else self._auth.left_out, "AUTH commands"),
            (self._injected_count - len(self.injected), "octets that came in clear after STARTTLS"),
            (0 if self._alerts is None else self._alerts.left_out, "TLS alerts"),
            (self.retrievals.left_out if self.retrievals is not None else 0, "retrievals"),
        )
        return tuple(f"{count} {what} left out" for count, what in counts if count)

    def session(self) -> Session:
        """Return the session as it stands now."""
        from .said import Transcript  # noqa: PLC0415 - most tests look at messages alone
        from .session import Retrieval, Session  # noqa: PLC0415 - as above

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
            alerts=tuple(self._alerts or ()),
            auth=tuple(self._auth or ()),
            message_count=self.message_count,
            injected=self.injected,
            transcript=Transcript(events),
            peer=self.peer,
            proxy=self.proxy,
            xclient=self.xclient,
            truncated=self._truncated,
            retrievals=() if self.retrievals is None else tuple(Retrieval(*fields) for fields in self.retrievals),
            _reading=self._reading,
        )

    def lasted_beyond(self, moment: float) -> bool:
        """Return whether the session was not over at a moment of the clock."""
        return self._ended is None or self._ended > moment

    def session_since(self, moment: float) -> Session | None:
        """Return the session with what was said since a moment of the clock; None if nothing was said."""
        from .said import Transcript  # noqa: PLC0415 - as above

        session = self.session()
        events = tuple(event for event in session.transcript if event.at > moment - self._began)
        if all(event.kind is Kind.NOTE for event in events):
            return None
        earlier = len(session.transcript) - len(events)
        note = f"{earlier} earlier event{'' if earlier == 1 else 's'}"
        return replace(session, transcript=Transcript((Event(events[0].at, Kind.NOTE, note.encode()), *events)))


def _within(items: Iterable[bytes], octets: int) -> int:
    """Return how many of these, from the first on, have no more octets together."""
    count = 0
    for count, item in enumerate(items):
        octets -= len(item)
        if octets < 0:
            return count
    return count + 1
