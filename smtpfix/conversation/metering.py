"""How many connections clients have, and how often they act: a `Ledger` per server, a `Meter` per session.

Knows when something is too much; what is counted beside connections, and what is said then, is the protocol's. Used in
the server's thread only, but for `Ledger.advance` and `Ledger.forget`.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from typing import Final

from smtpfix.clock import monotonic
from smtpfix.policy.limits import Limits, Rate
from smtpfix.record.recorder import Recorder

_MOST: Final = 100_000
"""Clients whose past is known, once for each thing that is counted; a proxy may name any number of them."""


class Ledger:
    """One server's account of its clients, over its life."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = monotonic) -> None:
        self.limits = limits
        self._clock = clock
        self._advanced = 0.0
        self.open: Counter[str] = Counter()
        """Connections by client."""
        self._past: dict[tuple[str, str], deque[float]] = {}

    @property
    def now(self) -> float:
        """The time in seconds, from some beginning."""
        return self._clock() + self._advanced

    def advance(self, seconds: float) -> None:
        """Let so much time pass at once."""
        self._advanced += seconds

    def forget(self) -> None:
        """Forget what clients have used up; connections that are open still count."""
        self._past.clear()

    def left(self, client: str) -> None:
        """Note that a connection of a client is gone."""
        self.open[client] -= 1
        if not self.open[client]:
            del self.open[client]

    def is_over(self, what: str, client: str, rate: Rate | str | None) -> bool:
        """Return whether a client has had as many as its rate allows."""
        if not isinstance(rate, Rate):
            return False
        past = self._past.get((what, client))
        if past is None:
            return False
        since = self.now - rate.seconds
        while past and past[0] <= since:
            past.popleft()
        return len(past) >= rate.count

    def count(self, what: str, client: str, rate: Rate | str | None) -> None:
        """Note that a client has had one more."""
        if isinstance(rate, Rate):
            self._past.setdefault((what, client), deque(maxlen=rate.count)).append(self.now)
            if len(self._past) > _MOST:
                del self._past[next(iter(self._past))]


class Meter:
    """One session's."""

    def __init__(self, ledger: Ledger, recorder: Recorder) -> None:
        self._ledger = ledger
        self._limits = ledger.limits
        self._recorder = recorder
        self._client = client = recorder.client[0]
        self._is_open = True
        self.is_welcome = not self._has_too_many()
        """Whether the client may have this connection."""
        ledger.open[client] += 1
        if self.is_welcome:
            ledger.count("connections", client, self._limits.connection_rate)

    def close(self) -> None:
        """Note that the connection is gone."""
        if self._is_open:
            self._is_open = False
            self._ledger.left(self._client)

    def _has_too_many(self) -> bool:
        limits, ledger, client = self._limits, self._ledger, self._client
        return (
            (limits.connections is not None and ledger.open.total() >= limits.connections)
            or (limits.connections_per_client is not None and ledger.open[client] >= limits.connections_per_client)
            or ledger.is_over("connections", client, limits.connection_rate)
        )
