"""A store in a SQLite file: what was committed survives any end of the process.

Several processes may use one file. Changes of others are seen by asking SQLite for its data version, as long as
somebody listens.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from time import sleep
from typing import Any, Final

from smtpfix.clock import monotonic
from smtpfix.errors import StoreError

from .connections import as_store_errors
from .database import SQLStore
from .pool import Pool
from .row import Entry
from .schema import SQLITE
from .store import Closing
from .stored import COLUMNS, values_of
from .watch import Watch

_APPLICATION: Final = 0x736D7470
"""What SQLite calls the application id: ``smtp``."""
_BUSY: Final = 5.0
"""Seconds to wait for another process that writes."""
_SOON: Final = 0.005
"""Seconds between two tries where SQLite itself does not wait."""
_OFTEN: Final = 0.25
"""Seconds between two looks for changes of other processes."""

_SETTINGS: Final = (
    "PRAGMA synchronous = NORMAL",
    "PRAGMA wal_autocheckpoint = 4000",  # under load, a shorter log would be copied into the file all the time
    "PRAGMA secure_delete = FAST",  # else Debian's SQLite writes zeros over all that is deleted, for seconds
)
"""Of each connection."""

_INSERT: Final = f"INSERT INTO message ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"


class SQLiteStore(SQLStore):
    """A store in a file, which is made where there is none, and which its owner alone can read.

    `busy` is how many seconds to wait for another process that writes. Raises `StoreError`.
    """

    among = "IN (SELECT value FROM json_each(?))"

    def __init__(self, path: Path, *, busy: float = _BUSY) -> None:
        self.path = path.absolute()
        self.where = str(path)
        self._busy = busy
        self._pool = Pool(self.where, self._connect)
        self._watch = Watch(self._other_changes)
        try:
            with _private(self.path):
                pass
        except OSError as error:
            raise StoreError(
                f"cannot use {path} as a store: {error.strerror}; choose a file that can be written"
            ) from None
        with as_store_errors((sqlite3.Error,), self.where, "open the store"):
            self._pool.give_back(self._prepared())

    def _prepared(self) -> sqlite3.Connection:
        """Return a connection, once all tables are there."""
        db = self._connect()
        try:
            self._write_ahead(db)
            with _transaction(db):
                self._take_steps(db)
        except BaseException:
            db.close()
            raise
        return db

    def _write_ahead(self, db: sqlite3.Connection) -> None:
        """Let writers not hold up readers. Where two do this to a new file at once, SQLite lets neither wait."""
        deadline = monotonic() + self._busy
        while True:
            try:
                db.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or monotonic() >= deadline:
                    raise
                sleep(_SOON)
            else:
                return

    def _take_steps(self, db: sqlite3.Connection) -> None:
        """Lead the file to the last schema. Raises `StoreError` where it is none of ours."""
        owner = db.execute("PRAGMA application_id").fetchone()[0]
        if owner != _APPLICATION and db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise StoreError(
                f"cannot use {self.where} as a store: it is the database of another program; choose another file"
            )
        if self.take_steps(db, SQLITE):
            db.execute(f"PRAGMA application_id = {_APPLICATION}")

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, timeout=self._busy, isolation_level=None, check_same_thread=False)
        try:
            for setting in _SETTINGS:
                db.execute(setting)
        except BaseException:
            db.close()
            raise
        return db

    # Connections

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection for a read."""
        with as_store_errors((sqlite3.Error,), self.where, "read"), self._lent() as db:
            yield db

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection in a transaction, and commit it."""
        with as_store_errors((sqlite3.Error,), self.where, "write to"), self._lent() as db, _transaction(db):
            yield db
        self._watch.wake()

    @contextmanager
    def _lent(self) -> Iterator[sqlite3.Connection]:
        db, _ = self._pool.take()
        try:
            yield db
        finally:
            self._pool.give_back(db)

    def close(self) -> None:
        """Give everything back."""
        self._watch.close()
        self._pool.close()

    # Statements

    def insert(self, db: sqlite3.Connection, entries: Sequence[Entry]) -> list[int]:
        """Insert messages, their contents and their words."""
        numbers = [int(db.execute(_INSERT, values_of(entry.row)).lastrowid or 0) for entry in entries]
        stored = list(zip(numbers, entries, strict=True))
        db.executemany("INSERT INTO content VALUES (?, ?)", [(seq, entry.content) for seq, entry in stored])
        words = [(seq, *entry.words.values) for seq, entry in stored]
        db.executemany("INSERT INTO words VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", words)
        return numbers

    def list_of(self, values: Collection[str | int]) -> object:
        """Return values as JSON."""
        return json.dumps(list(values))

    def run(self, db: sqlite3.Connection, statement: str, parameters: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Execute a statement."""
        return db.execute(statement, parameters)

    def run_many(self, db: sqlite3.Connection, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        """Execute a statement for each of some rows."""
        db.executemany(statement, rows)

    # Changes

    def listen(self, wake: Callable[[], None]) -> Closing:
        """Call `wake` when something has changed."""
        return self._watch.listen(wake)

    def _other_changes(self, wake: Callable[[], None], ended: threading.Event) -> None:
        """Wake for each change of another process, until ended."""
        with suppress(sqlite3.Error), closing(self._connect()) as db:
            seen = None
            while not ended.wait(_OFTEN):
                version = db.execute("PRAGMA data_version").fetchone()[0]
                if version != seen:
                    seen = version
                    wake()


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):  # a full disk may have ended it already
            db.execute("ROLLBACK")
        raise


@contextmanager
def _private(path: Path) -> Iterator[int]:
    """Make a file that only its owner can read, or make one so that is there; its companions will be like it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if os.name != "nt" and os.fstat(descriptor).st_mode & 0o077:
            os.fchmod(descriptor, 0o600)
        yield descriptor
    finally:
        os.close(descriptor)
