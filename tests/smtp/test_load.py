"""Many sessions at once: nothing is lost, nothing is mixed up, and nothing is left behind."""

from __future__ import annotations

import gc
import os
import smtplib
import tempfile
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from smtpfix import Mode, Policy, Server, SessionEnd
from smtpfix.wire.channel import Channel
from smtpfix.wire.loop import LOOP_THREAD

pytestmark = pytest.mark.usefixtures("nothing_logged")


def open_files():
    """Return how many file descriptors are open; on Windows sockets are not among them."""
    count = 0
    for descriptor in range(1024):
        try:
            os.fstat(descriptor)
        except OSError:
            continue
        count += 1
    return count


def channels():
    gc.collect()
    return sum(isinstance(thing, Channel) for thing in gc.get_objects())


@pytest.fixture
def nothing_left(no_garbage, tmp_path, monkeypatch):
    """Fail the test if a thread, a connection, a descriptor or a temporary file outlives it."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    LOOP_THREAD.catch_up()  # a connection of the test before may only just be ending
    before = (set(threading.enumerate()), channels(), open_files())
    yield
    assert (set(threading.enumerate()), channels(), open_files()) == before
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_two_thousand_sessions_from_twenty_threads(nothing_left):
    with Server() as server:

        def deliver(thread):
            for number in range(100):
                name = f"t{thread}n{number}"
                with smtplib.SMTP("127.0.0.1", server.port, "client.example", timeout=10) as client:
                    client.sendmail(f"{name}@a.example", [f"{name}@b.example"], f"Subject: {name}\r\n\r\n.{name}\r\n")

        with ThreadPoolExecutor(20) as pool:
            list(pool.map(deliver, range(20)))

        assert len(server.inbox) == 2000
        for message in server.inbox:
            name = message.subject
            assert message.reverse_path == f"{name}@a.example"
            assert message.to == (f"{name}@b.example",)
            assert message.content == f"Subject: {name}\r\n\r\n.{name}\r\n".encode()
        assert len({message.subject for message in server.inbox}) == 2000
        assert [message.number for message in server.inbox] == list(range(1, 2001))
        assert [session.number for session in server.sessions] == list(range(1, 2001))
        assert Counter(session.end for session in server.sessions) == {SessionEnd.QUIT: 2000}
        assert {session.message_count for session in server.sessions} == {1}
        assert not server._serving.conversations


def test_sessions_in_all_modes_at_once_are_not_mixed_up(smtp_authority):
    servers = [Server(Policy(mode), authority=smtp_authority).start() for mode in Mode]

    def deliver(number):
        server = servers[number % len(servers)]
        with server.client() as client:
            client.sendmail("ann@example.org", [f"n{number}@b.example"], "x" * number * 100)

    try:
        with ThreadPoolExecutor(20) as pool:
            list(pool.map(deliver, range(200)))
    finally:
        for server in servers:
            server.close()
    for position, server in enumerate(servers):
        sizes = {message.to[0]: message.size for message in server.inbox}
        line_end = 2  # smtplib adds one
        assert sizes == {f"n{n}@b.example": n * 100 + line_end for n in range(position, 200, len(servers))}
        assert all(message.in_tls is (server.mode is not Mode.PLAIN) for message in server.inbox)


def test_many_messages_in_one_session(start_smtp_server):
    server = start_smtp_server(max_messages=100)
    with server.client() as client:
        for number in range(300):
            client.sendmail("ann@example.org", ["bob@example.org"], f"Subject: {number}\r\n\r\n")
    assert [message.subject for message in server.inbox] == [str(number) for number in range(200, 300)]
    assert server.inbox.dropped == 200
    assert server.sessions[-1].message_count == 300


@pytest.mark.parametrize("mode", ["plain", "implicit-tls"])
def test_a_large_message_arrives_whole(start_smtp_server, wire, mode):
    server = start_smtp_server(mode)
    client = wire(server)
    client.hello()
    content = b".dots and lines\r\n" * 1_000_000
    assert client.deliver(content.replace(b".dots", b"..dots")) == "250 2.0.0 OK, message captured"
    assert server.inbox.one().content == content


@pytest.mark.slow
def test_sessions_that_break_off_leave_nothing(nothing_left, wire):
    """Each at another stage, in clear and within the handshake."""
    beginnings = [
        b"",
        b"EHLO x\r\n",
        b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\nDATA\r\nx",
        b"\x16\x03\x01",
    ]
    with Server(Policy("plain")) as plain, Server(Policy("implicit-tls")) as secure:
        for number in range(200):
            client = wire((plain, secure)[number % 2], greeted=False)
            client.send(beginnings[number % 4])
            client.reset() if number % 3 else client.close()
        assert len(plain.sessions.wait(100)) == len(secure.sessions.wait(100)) == 100
        assert not plain._serving.conversations
        assert not secure._serving.conversations
