"""What a SQLite store does beside what every store does."""

from __future__ import annotations

from contextlib import closing

import pytest
from mails import mail

from smtpfix.errors import StoreError
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
