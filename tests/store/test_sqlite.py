"""What a SQLite store does beside what every store does."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from mails import mail

from smtpfix.errors import StoreError
from smtpfix.store import sqlite
from smtpfix.store.row import entry_of
from smtpfix.store.sqlite import SQLiteStore
from smtpfix.store.store import Which


def test_who_reads_in_order_to_write_is_overtaken_by_nobody(tmp_path, monkeypatch):
    """Else SQLite would refuse the write, and waiting would not help."""
    with (
        closing(SQLiteStore(tmp_path / "mail.db")) as store,
        closing(SQLiteStore(tmp_path / "mail.db", busy=0)) as other,
    ):
        store.append([entry_of(mail(b"\r\n"), server="plain", run="run")])
        looked = store._meant

        def look(*arguments):
            found = looked(*arguments)
            with pytest.raises(StoreError, match="locked"):
                other.setting("a", 1)
            return found

        monkeypatch.setattr(store, "_meant", look)
        assert store.mark(Which(), read=True) == 1
        assert other.setting("a", 2) == 2


def test_a_new_file_that_another_process_prepares_is_waited_for_where_sqlite_would_not(tmp_path, monkeypatch):
    with closing(sqlite3.connect(tmp_path / "mail.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        monkeypatch.setattr(sqlite, "sleep", lambda _seconds: other.execute("COMMIT"))
        with closing(SQLiteStore(tmp_path / "mail.db")) as store:
            assert store.count().all == 0


def test_a_file_that_stays_locked_is_an_error(tmp_path):
    with closing(sqlite3.connect(tmp_path / "mail.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked"):
            SQLiteStore(tmp_path / "mail.db", busy=0)
