"""`smtpfix serve --store`: what was accepted is there, whatever ended the program, and for every process that looks."""

from __future__ import annotations

import json
import os
import re
import signal
import smtplib
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing, contextmanager, suppress
from datetime import timedelta

import pytest

from smtpfix.cli import main
from smtpfix.cli.options import read_options
from smtpfix.errors import InvalidValueError
from smtpfix.store.opening import open_store
from smtpfix.store.query import Contains, Place

pytestmark = pytest.mark.slow

try:
    import resource
except ImportError:  # Windows
    resource = None

BOUND = 30


@contextmanager
def serving(*arguments):
    """Run the program until the test is through; yield its process and its port."""
    command = [sys.executable, "-W", "error", "-m", "smtpfix", "serve", "--listen", "plain:0", "--json"]
    with subprocess.Popen(
        [*command, "--timeout", "60", *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process, json.loads(process.stdout.readline())["port"]
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                assert process.wait(BOUND) == 0, process.stderr.read()
        finally:
            process.kill()


def send(port, *names):
    with smtplib.SMTP("127.0.0.1", port, timeout=BOUND) as client:
        for name in names:
            client.sendmail("ann@example.org", "bob@example.org", f"Subject: {name}\r\n\r\nHi\r\n")


def test_sessions_are_kept_too_with_what_was_said_in_them_but_no_password(where):
    with serving("--store", where, "--user", "ann:s3cret") as (_, port):
        send(port, "one")
        with smtplib.SMTP("127.0.0.1", port, timeout=BOUND) as client:
            client.ehlo()
            assert client.docmd("AUTH", "PLAIN AGFubgBzM2NyZXQ=")[0] == 235
            assert client.docmd("RCPT", "TO:<bob@example.org>")[0] == 503
    with closing(open_store(where)) as store:
        (row,) = store.page().rows
        session = store.session(row.session)
        assert (session.has_mail, session.facts["messages"], session.facts["end"]) == (True, 1, "quit")
        assert [line for event in session.dialogue for line in event["lines"]][-2:] == ["221 2.0.0 Bye", "end: quit"]
        (without,) = store.sessions(without_mail=True, failed=True)
        assert store.session(without.id).facts["auth"][0]["password_in_clear"] is True
        assert "AGFubgBzM2NyZXQ" not in repr(store.session(without.id))
        assert "s3cret" not in repr(store.session(without.id))
        assert [change.kind for change in store.changes(0)][:1] == ["new"]


def subjects(where):
    with closing(open_store(where)) as store:
        return [row.subject for row in store.page(limit=10_000).rows]


def test_what_was_accepted_is_there_after_a_restart_and_no_more_than_is_to_be_kept(where):
    with serving("--store", where) as (_, port):
        send(port, "one", "two", "three")
        assert subjects(where) == ["three", "two", "one"]  # as another process sees it meanwhile
    with serving("--store", where, "--keep", 2, "--keep-for", "3d") as (_, port):
        assert subjects(where) == ["three", "two"]
        send(port, "four")
    assert subjects(where) == ["four", "three", "two"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")
def test_only_its_owner_can_read_the_file_also_where_it_was_there_before(tmp_path):
    where = tmp_path / "mail.db"
    where.touch(0o644)
    with closing(open_store(str(where))) as store:
        store.setting("a", 1)
        assert len(list(tmp_path.iterdir())) == 3  # with the log and its index
        assert {path.stat().st_mode & 0o077 for path in tmp_path.iterdir()} == {0}


def test_nothing_that_was_acknowledged_is_lost_when_the_program_is_killed_at_full_load(where):
    """Four clients as fast as they can; SIGKILL once 300 messages were acknowledged."""
    acknowledged, enough = [], threading.Event()

    def client(number, port):
        with suppress(OSError, smtplib.SMTPException), smtplib.SMTP("127.0.0.1", port, timeout=BOUND) as smtp:
            for count in range(1000):
                name = f"{number}-{count}"
                smtp.sendmail("ann@example.org", "bob@example.org", f"Subject: {name}\r\n\r\n{'x' * 900}\r\n")
                acknowledged.append(name)
                if len(acknowledged) >= 300:
                    enough.set()

    with serving("--store", where) as (process, port):
        clients = [threading.Thread(target=client, args=(number, port)) for number in range(4)]
        for thread in clients:
            thread.start()
        assert enough.wait(BOUND)
        process.kill()
        process.wait(BOUND)
        for thread in clients:
            thread.join(BOUND)
    stored = subjects(where)
    assert set(acknowledged) <= set(stored)
    assert len(stored) == len(set(stored))
    if "://" not in where:
        with closing(sqlite3.connect(where)) as db:
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux can have a disk be full for one program")
def test_while_the_disk_is_full_messages_are_answered_451_and_then_they_are_accepted_again(tmp_path):
    where = tmp_path / "mail.db"
    with serving("--store", where) as (process, port), smtplib.SMTP("127.0.0.1", port, timeout=BOUND) as client:
        _, most = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (300_000, most))
        with pytest.raises(smtplib.SMTPDataError) as caught:
            client.sendmail("ann@example.org", "bob@example.org", f"Subject: large\r\n\r\n{'x' * 800 * 1000}\r\n")
        assert caught.value.args == (451, b"4.3.0 The message could not be kept, try again later")
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (most, most))
        client.sendmail("ann@example.org", "bob@example.org", "Subject: small\r\n\r\n")
    assert subjects(str(where)) == ["small"]


def test_two_programs_may_keep_mail_in_one_store(where):
    with serving("--store", where) as (_, first), serving("--store", where) as (_, second):
        senders = [threading.Thread(target=send, args=(port, *range(20))) for port in (first, second)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join(BOUND)
    with closing(open_store(where)) as store:
        assert store.count().all == 40
        changes = store.changes(0)
        assert [change.n for change in changes] == list(range(1, 43))
        assert [change.kind for change in changes].count("session") == 2
        sessions = {row.session for row in store.page(limit=50).rows}
        assert len(sessions) == 2
        assert store.count(Contains(Place.SUBJECT, "19")).all == 2


def foreign(where):
    with closing(sqlite3.connect(where)) as db:
        db.execute("CREATE TABLE message (x)")


def later(where):
    open_store(str(where)).close()
    with closing(sqlite3.connect(where, isolation_level=None)) as db:
        db.execute("UPDATE smtpfix_schema SET step = 9")


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (lambda where: where.mkdir(), "Is a directory; choose a file that can be written"),
        (lambda where: where.write_bytes(b"no database at all" * 100), "file is not a database"),
        (foreign, "it is the database of another program; choose another file"),
        (later, "written by a later version of smtpfix: expected a schema up to 1, got 9"),
    ],
)
def test_what_is_no_store_is_an_error_in_one_line(tmp_path, capsys, prepare, said):
    where = tmp_path / "mail.db"
    prepare(where)
    assert main(["serve", "--listen", "plain:0", "--store", str(where)]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert str(where) in error
    assert error.count("\n") == 1


def test_how_long_messages_are_kept_is_read_from_the_command_line():
    for text, time in (("3d", timedelta(days=3)), ("12h", timedelta(hours=12)), ("30m", timedelta(minutes=30))):
        assert read_options(store="x", keep_for=text).keep_for == time


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (
            {"store": "x", "keep_for": "3 days"},
            "--keep-for: expected a number and a unit, such as 3d, 12h or 30m, got '3 days'",
        ),
        ({"store": "x", "keep_for": "0d"}, "--keep-for: expected a number and a unit"),
        ({"store": "x", "keep_for": "9999999d"}, "--keep-for: expected a number and a unit"),
        ({"store": "x", "keep": 0}, "--keep: expected a number of messages, 1 or more, got 0"),
        ({"keep": 5}, "--keep: it is about a store; add --store FILE, or --web"),
        ({"keep_for": "3d"}, "--keep-for: it is about a store; add --store FILE, or --web"),
    ],
)
def test_wrong_options_say_what_was_expected(options, error):
    with pytest.raises(InvalidValueError, match=f"^{re.escape(error)}"):
        read_options(**options)
