"""The thread that stores messages: groups, what becomes of one that cannot be stored, and what is kept for long."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from mails import mail

from smtpfix import InvalidValueError, Reply
from smtpfix.store import writer as writer_module
from smtpfix.store.sqlite import SQLiteStore
from smtpfix.store.writer import MOST_AT_ONCE, Retention, Writer

BOUND = 20


class Told:
    """What the writer has told, by number; wakes who waits for it."""

    def __init__(self):
        self.answers = {}
        self._condition = threading.Condition()

    def done(self, number):
        def done(error):
            with self._condition:
                self.answers[number] = error
                self._condition.notify_all()

        return done

    def wait(self, number):
        with self._condition:
            assert self._condition.wait_for(lambda: number in self.answers, BOUND)
        return self.answers[number]


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "mail.db"


@contextmanager
def writing(store, **options):
    with closing(Writer(store, lambda call: call(), **options)) as writer:
        yield writer.start()


def message(number, content=None):
    received = datetime.now(UTC) + timedelta(microseconds=number)
    return replace(mail(content or b"Subject: %d\r\n\r\n" % number), received=received)


def subjects(store):
    return [row.subject for row in store.page().rows]


def test_all_that_has_come_meanwhile_is_one_transaction_and_all_are_told(path, told, monkeypatch):
    groups, has_begun, release = [], threading.Event(), threading.Event()
    append = SQLiteStore.append

    def slow(self, entries):
        groups.append(len(entries))
        has_begun.set()
        release.wait(BOUND)
        return append(self, entries)

    monkeypatch.setattr(SQLiteStore, "append", slow)
    with closing(SQLiteStore(path)) as store:
        with writing(store) as writer:
            for number in range(MOST_AT_ONCE + 3):
                writer.keep("plain", message(number), told.done(number))
                assert has_begun.wait(BOUND)
            release.set()
            assert writer.catch_up(BOUND)
        assert groups == [1, MOST_AT_ONCE, 2]
        assert len(told.answers) == MOST_AT_ONCE + 3
        assert set(told.answers.values()) == {None}
        assert subjects(store)[0] == str(MOST_AT_ONCE + 2)


def test_closing_stores_what_has_come(path, told):
    with closing(SQLiteStore(path)) as store:
        with writing(store) as writer:
            for number in range(30):
                writer.keep("plain", message(number), told.done(number))
        assert store.count().all == 30


def test_a_full_disk_fails_what_does_not_fit_and_when_there_is_room_it_goes_on(path, told):
    with closing(SQLiteStore(path)) as store, writing(store) as writer:
        with store.reading() as db:
            db.execute("PRAGMA max_page_count = 60")
        writer.keep("plain", message(1, b"\r\n" + b"x" * 1_000_000), told.done(1))
        assert "cannot write to" in str(told.wait(1))
        assert "full" in str(told.wait(1))
        with store.reading() as db:
            db.execute("PRAGMA max_page_count = 100000")
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        writer.keep("plain", message(2), told.done(2))
        assert told.wait(2) is None
        assert subjects(store) == ["2"]


def test_another_process_that_writes_for_too_long_is_not_waited_for_for_ever(path, told):
    with (
        closing(SQLiteStore(path, busy=0.05)) as store,
        closing(sqlite3.connect(path, isolation_level=None)) as other,
        writing(store) as writer,
    ):
        other.execute("BEGIN IMMEDIATE")
        writer.keep("plain", message(1), told.done(1))
        assert "locked" in str(told.wait(1))
        other.execute("ROLLBACK")
        writer.keep("plain", message(2), told.done(2))
        assert told.wait(2) is None


def test_a_store_that_was_closed_fails_all_and_the_writer_goes_on(path, told):
    store = SQLiteStore(path)
    with writing(store) as writer:
        store.close()
        for number in (1, 2):
            writer.keep("plain", message(number), told.done(number))
            assert "it was closed" in str(told.wait(number))


def test_a_message_of_which_no_row_can_be_made_takes_no_other_one_along(path, told, monkeypatch):
    made = writer_module.entry_of

    def fails_for_one(message, **options):
        if b"bad" in message.content:
            raise RecursionError("too deep")
        return made(message, **options)

    monkeypatch.setattr(writer_module, "entry_of", fails_for_one)
    with closing(SQLiteStore(path)) as store, writing(store) as writer:
        writer.keep("plain", message(1, b"bad\r\n"), told.done(1))
        writer.keep("plain", message(2), told.done(2))
        assert isinstance(told.wait(1), RecursionError)
        assert told.wait(2) is None
        assert subjects(store) == ["2"]


def test_refused_messages_are_kept_and_marked_but_not_more_of_them_than_can_be_written(path, told, monkeypatch):
    monkeypatch.setattr(writer_module, "MOST_UNAWAITED", 0)
    with closing(SQLiteStore(path)) as store:
        writer = Writer(store, lambda call: call())
        for number in (1, 2):
            writer.keep("plain", replace(message(number), reply=Reply(550)), told.done(number))
        assert "too many messages that were not accepted" in str(told.wait(2))
        writer.start()
        assert told.wait(1) is None
        writer.keep("plain", replace(message(3), reply=None), told.done(3))
        assert told.wait(3) is None
        writer.close()
        assert [(row.subject, row.accepted) for row in store.page().rows] == [("3", False), ("1", False)]


def test_what_need_not_be_kept_is_deleted_when_it_begins_and_once_a_minute(path, told, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(writer_module, "monotonic", lambda: now[0])
    with closing(SQLiteStore(path)) as store:
        with writing(store) as writer:
            for number in range(4):
                writer.keep("plain", message(number), told.done(number))
        with writing(store, retention=Retention(keep=2, keep_for=timedelta(hours=1))) as writer:
            assert subjects(store) == ["3", "2"]
            now[0] += 61
            writer.keep("plain", message(4), told.done(4))
            writer.catch_up(BOUND)
            writer.catch_up(BOUND)
            assert subjects(store) == ["4", "3"]


@pytest.mark.parametrize("fields", [{"keep": 0}, {"keep_for": timedelta(0)}])
def test_a_retention_that_would_keep_nothing_is_refused(fields):
    with pytest.raises(InvalidValueError, match="Retention"):
        Retention(**fields)
