"""What a PostgreSQL store does beside what every store does: servers share it, and it may be away for a time."""

from __future__ import annotations

import sys
import threading
from contextlib import closing
from dataclasses import replace

import pytest
from mails import mail

from smtpfix.errors import ExtraMissing, StoreError
from smtpfix.store.opening import open_store
from smtpfix.store.row import entry_of
from smtpfix.store.store import Kind
from smtpfix.store.writer import Writer

pytestmark = pytest.mark.slow

BOUND = 30


def entries(*names):
    return [entry_of(mail(f"Subject: {name}\r\n\r\n".encode()), server="plain", run="run") for name in names]


def test_who_follows_the_journal_misses_nothing_whoever_writes_and_when(postgres_url):
    """Two servers with two writers each; two followers, who read on from the last number they have seen."""
    written = {f"{server}-{thread}-{n}" for server in range(2) for thread in range(2) for n in range(40)}
    with closing(open_store(postgres_url)) as first, closing(open_store(postgres_url)) as second:

        def write(server, thread):
            store = (first, second)[server]
            for n in range(0, 40, 2):
                store.append(entries(*(f"{server}-{thread}-{n + more}" for more in range(2))))

        def follow(store, seen):
            woken = threading.Event()
            with closing(store.listen(woken.set)):
                after = 0
                while len(seen) < len(written) and woken.wait(BOUND):
                    woken.clear()
                    while changes := store.changes(after):
                        after = changes[-1].n
                        seen.extend((change.n, store.get(change.data["id"]).subject) for change in changes)

        followed = [], []
        threads = [threading.Thread(target=write, args=(n // 2, n % 2)) for n in range(4)]
        threads += [threading.Thread(target=follow, args=args) for args in zip((first, second), followed, strict=True)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(BOUND)
    for seen in followed:
        assert sorted(name for _, name in seen) == sorted(written)
        assert [n for n, _ in seen] == sorted(n for n, _ in seen)


def test_while_the_database_is_away_nothing_is_kept_and_behind_that_it_goes_on(postgres, postgres_url):
    told = []
    with (
        closing(open_store(postgres_url)) as store,
        closing(Writer(store, lambda call: call())) as writer,
        closing(store.listen(lambda: None)),
    ):
        writer.start()
        for number, is_away in enumerate((False, True, True, False)):
            if is_away and number == 1:
                postgres.stop()
            elif not is_away and number == 3:
                postgres.start()
            writer.keep("plain", replace(mail(b"Subject: %d\r\n\r\n" % number), number=number), told.append)
            assert writer.catch_up(BOUND)
            assert [error is not None for error in told[number:]] == [is_away], told
        assert [row.subject for row in store.page().rows] == ["3", "0"]
        assert [change.kind for change in store.changes(0)] == [Kind.NEW] * 2


def test_an_error_does_not_show_the_password(tmp_path):
    url = f"postgresql://ann:s3cret@/db?host={tmp_path}"
    with pytest.raises(StoreError, match=r"^cannot write to postgresql://") as caught:
        open_store(url)
    assert "s3cret" not in str(caught.value)
    with pytest.raises(StoreError, match=r"PORT/DATABASE, got another URL$") as caught:
        open_store("postgresql://ann:s3cret@host:port:port/%zz")
    assert "s3cret" not in str(caught.value)


def test_without_its_package_the_error_says_what_to_install(monkeypatch):
    monkeypatch.delitem(sys.modules, "smtpfix.store.postgres", raising=False)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ExtraMissing, match=r"pip install .*\[postgres\]'"):
        open_store("postgresql://localhost/db")
