"""What all handlers share: the store, the servers, the settings, and counts since the start."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import tzinfo
from typing import Final, TypeVar
from zoneinfo import ZoneInfo

from smtpfix.clock import monotonic
from smtpfix.rules.rule import Rule
from smtpfix.server import Server
from smtpfix.store.query import AllOf, Is, Query, State
from smtpfix.store.row import Row
from smtpfix.store.search import parse_search
from smtpfix.store.store import Count, Store

from .audits import Audits
from .events import Hub
from .settings import WebSettings
from .statistics import Statistics
from .switches import Switches

THREADS: Final = 4
"""That ask the store: each has a connection, and the caches of one, of its own."""
MOST_COUNTED: Final = 1000
"""Mailboxes whose number of messages is remembered."""
ACCEPTED: Final = Is(State.ACCEPTED)
"""Other programs' APIs know no message that was refused."""

_T = TypeVar("_T")


class Desk:
    """Where everything lies that answers are made from."""

    def __init__(
        self,
        store: Store,
        settings: WebSettings,
        *,
        servers: Mapping[str, Server] | None = None,
        statistics: Statistics | None = None,
        switches: Switches | None = None,
        audits: Audits | None = None,
        process: str = "",
    ) -> None:
        self.store = store
        self.mailbox: str | None = None
        """The mailbox that alone lies here; None: all."""
        self.settings = settings
        self.servers = {} if servers is None else servers
        self.switches = switches or Switches(store, self.servers)
        self.audits = audits or Audits()
        self.statistics = statistics or Statistics()
        self.process = process
        """What stands before the numbers of the servers' sessions in their ids; ``""``: these cannot be told."""
        self.chaos: dict[str, dict[str, int]] = {}
        self.chaos_rules: dict[str, tuple[Rule, ...]] = {}
        self.jim: dict[str, float] | None = None
        self.lock = threading.Lock()
        """Held by who changes `chaos` or `jim`: requests are answered in several threads."""
        self.hub = Hub(store, self.run)
        self._totals: dict[str | None, tuple[int, Count]] = {}
        self._threads = ThreadPoolExecutor(THREADS, "smtpfix web")

    async def run(self, work: Callable[..., _T], *arguments: object) -> _T:
        """Do something in a thread that may wait for the store."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    def close(self) -> None:
        """Give the threads back."""
        self._threads.shutdown(cancel_futures=True)

    @property
    def uptime(self) -> float:
        """Seconds since the start."""
        return monotonic() - self.statistics.started

    # Messages

    def find(self, wanted: str, search: str = "", zone: str = "") -> Row | None:
        """Return the message of an id, or for ``latest`` the newest that a search finds. Raises `InvalidValueError`."""
        if wanted != "latest":
            return self.store.get(wanted)
        query = among_accepted(parse_search(search, time_zone(zone)))
        return next(iter(self.store.page(query, limit=1).rows), None)

    def totals(self) -> Count:
        """Return how many accepted messages there are; counted anew only when the journal has moved."""
        seq = self.store.last_change()
        known = self._totals.get(self.mailbox)
        if known is None or known[0] != seq:
            if len(self._totals) >= MOST_COUNTED:  # anybody can name mailboxes that there are not
                self._totals.clear()
            known = self._totals[self.mailbox] = (seq, self.store.count(ACCEPTED))
        return known[1]

    def matching(
        self, query: Query, rows: Sequence[Row], *, start: int, limit: int, mailbox: str | None = None
    ) -> Count:
        """Return how many match, where a page of them is known: one that is not full needs no second look at all."""
        if start == 0 and len(rows) < limit:
            return Count(len(rows), sum(not row.is_read for row in rows))
        return self.store.count(query, mailbox=mailbox)


def among_accepted(query: Query) -> Query:
    """Return the query for those accepted messages that match."""
    return AllOf((ACCEPTED, *query.terms)) if isinstance(query, AllOf) else AllOf((ACCEPTED, query))


def time_zone(name: str) -> tzinfo | None:
    """Return a time zone by its name; None, the system's own, for what is none."""
    if not name or len(name) > _LONGEST_ZONE:
        return None
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):  # ZoneInfoNotFoundError is a KeyError
        return None


_LONGEST_ZONE: Final = 64
