"""A store in a PostgreSQL database, which several servers may share. Only this imports psycopg.

Every transaction that writes holds one lock from before it draws a number until it has committed: so the journal's
numbers are in the order of the commits, and who reads on from a number misses nothing.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from functools import lru_cache
from typing import Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict

from smtpfix.clock import monotonic
from smtpfix.errors import StoreError

from .connections import as_store_errors
from .database import SQLStore
from .pool import Pool
from .row import Entry
from .schema import POSTGRES
from .store import Closing
from .stored import COLUMNS, values_of
from .watch import Watch

_CHANNEL: Final = "smtpfix"
_BEGIN: Final = (
    "BEGIN; SET LOCAL lock_timeout = '5s'; SET LOCAL statement_timeout = '30s'; SELECT pg_advisory_xact_lock(736275)"
)
_MAY_PRUNE: Final = "SELECT pg_try_advisory_xact_lock(736276)"
_COMMIT: Final = f"NOTIFY {_CHANNEL}; COMMIT"
_CONNECT_SECONDS: Final = 5
_ALIVE: Final[dict[str, Any]] = {
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""Have a connection end whose other side is gone, and says nothing; seconds, and the last in milliseconds."""
_OFTEN: Final = 0.25
"""Seconds between two looks at the journal, where no notification comes: a pool between may have no room for these."""
_SEQUENCE: Final = "SELECT nextval(pg_get_serial_sequence('message', 'seq')) FROM generate_series(1, ?)"
_INSERT: Final = f"INSERT INTO message (seq, {', '.join(COLUMNS)}) VALUES ({', '.join('?' * (len(COLUMNS) + 1))})"


logging.getLogger("psycopg").addHandler(logging.NullHandler())  # it would log errors that follow one it has raised


class PostgresStore(SQLStore):
    """A store in the database that a URL names: ``postgresql://USER:PASSWORD@HOST:PORT/DATABASE``.

    Raises `StoreError`, which does not show the password.
    """

    among = "= ANY(?)"

    def __init__(self, url: str) -> None:
        self._url = url
        try:
            said = conninfo_to_dict(url)
        except psycopg.Error:
            raise StoreError(
                "--store: expected postgresql://USER:PASSWORD@HOST:PORT/DATABASE, got another URL"
            ) from None
        self.where = f"postgresql://{said.get('host', '')}/{said.get('dbname', '')}"
        self._secret = str(said.get("password") or "")
        self._pool = Pool(self.where, self._connect)
        self._writers: set[int] = set()
        """The database's processes that this program has written through."""
        self._watch = Watch(self._other_changes)
        try:
            with self.writing() as db:
                self.take_steps(db, POSTGRES)
        except BaseException:
            self.close()
            raise

    # Connections

    @contextmanager
    def reading(self) -> Iterator[psycopg.Connection[Any]]:
        """Lend a connection for a read."""
        with as_store_errors((psycopg.Error,), self.where, "read", self._secret), self._lent("SELECT 1") as db:
            yield db

    @contextmanager
    def writing(self) -> Iterator[psycopg.Connection[Any]]:
        """Lend a connection in a transaction, and commit it."""
        with as_store_errors((psycopg.Error,), self.where, "write to", self._secret), self._lent(_BEGIN) as db:
            self._writers.add(db.info.backend_pid)
            try:
                yield db
                db.execute(_COMMIT)
            except BaseException:
                with suppress(psycopg.Error):
                    db.execute("ROLLBACK")
                raise
        self._watch.wake()

    @contextmanager
    def _lent(self, first: str) -> Iterator[psycopg.Connection[Any]]:
        """Lend a connection on which a first statement has been executed; one that is dead is replaced."""
        db = self._living(first)
        try:
            yield db
        finally:
            if db.broken or db.closed:
                db.close()
            else:
                self._pool.give_back(db)

    def _living(self, first: str) -> psycopg.Connection[Any]:
        while True:
            db, is_new = self._pool.take()
            try:
                db.execute(first)
            except psycopg.Error:
                is_dead = db.broken
                db.close()
                if is_new or not is_dead:
                    raise
            else:
                return db

    def _connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(
            self._url,
            autocommit=True,
            connect_timeout=_CONNECT_SECONDS,
            application_name="smtpfix",
            **_ALIVE,
            prepare_threshold=None,  # behind a pool, the next transaction may be on another connection
        )

    def close(self) -> None:
        """Give everything back."""
        self._watch.close()
        self._pool.close()

    # Statements

    def insert(self, db: psycopg.Connection[Any], entries: Sequence[Entry]) -> list[int]:
        """Insert messages, their contents and their words."""
        numbers = [int(row[0]) for row in self.run(db, _SEQUENCE, (len(entries),)).fetchall()]
        stored = list(zip(numbers, entries, strict=True))
        self.run_many(db, _INSERT, [(seq, *values_of(entry.row)) for seq, entry in stored])
        self.run_many(db, "INSERT INTO content VALUES (?, ?)", [(seq, entry.content) for seq, entry in stored])
        words = [(seq, *entry.words.values) for seq, entry in stored]
        self.run_many(db, "INSERT INTO words VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", words)
        return numbers

    def list_of(self, values: Collection[str | int]) -> object:
        """Return values as an array."""
        return list(values)

    def run(self, db: psycopg.Connection[Any], statement: str, parameters: Sequence[Any] = ()) -> Any:
        """Execute a statement."""
        return db.execute(_translated(statement), parameters)

    def run_many(self, db: psycopg.Connection[Any], statement: str, rows: Iterable[Sequence[Any]]) -> None:
        """Execute a statement for each of some rows."""
        with db.cursor() as cursor:
            cursor.executemany(_translated(statement), rows)

    def without_waiting(self, db: psycopg.Connection[Any]) -> AbstractContextManager[object]:
        """Execute statements in a pipeline, where the client's library has any."""
        return db.pipeline() if psycopg.Pipeline.is_supported() else nullcontext()

    def may_prune(self, db: psycopg.Connection[Any]) -> bool:
        """Return whether nobody else prunes."""
        return bool(self.run(db, _MAY_PRUNE).fetchone()[0])

    # Changes

    def listen(self, wake: Callable[[], None]) -> Closing:
        """Call `wake` when something has changed."""
        return self._watch.listen(wake)

    def _other_changes(self, wake: Callable[[], None], ended: threading.Event) -> None:
        """Wake for each change of another server, until ended; a lost connection is made again."""
        while not ended.is_set():
            with suppress(psycopg.Error), closing(self._connect()) as db:
                db.execute(f"LISTEN {_CHANNEL}")
                seen, due = None, 0.0
                while not ended.is_set():
                    told = [one.pid for one in db.notifies(timeout=_OFTEN, stop_after=1)]
                    if any(pid not in self._writers for pid in told):  # who writes here has woken all
                        wake()
                    elif monotonic() >= due:
                        last, due = self._last(db), monotonic() + _OFTEN
                        if last != seen:
                            seen = last
                            wake()
            ended.wait(_OFTEN)


@lru_cache(maxsize=256)
def _translated(statement: str) -> str:
    """Return a statement with psycopg's placeholder."""
    return statement.replace("?", "%s")
