"""Whatever one client of POP3 says, and however much it asks for, no step of the loop thread holds the others up."""

from __future__ import annotations

import contextlib
import socket
import threading

import pytest

from smtpfix import Pop3Policy

BUDGET = 0.25
"""Seconds of processor time that one step may take."""
MEGABYTE = 1_000_000
LOGIN = b"USER ann\r\nPASS x\r\n"
SMALL = b"Subject: Hi\r\n\r\n"

MANY = [SMALL] * 2_000
LARGE = [SMALL + b"x\n" * 2_000_000]
"""With bare line feeds, so that it has to be put right first."""
DOTS = [SMALL + b".\r\n" * 600_000]

ATTACKS = {
    "commands": ([], LOGIN + b"NOOP\r\n" * 150_000),
    "unknown commands": ([], b"\xff\r\n" * 300_000),
    "logins": ([], b"USER a\r\nPASS b\r\nUSER\r\n" * 20_000),
    "logins that are cancelled": ([], b"AUTH PLAIN\r\n*\r\n" * 50_000),
    "one line": ([], b"x" * MEGABYTE),
    "one line of passwords": ([], b"PASS " * 200_000),
    "blanks, then PASS": ([], b" " * MEGABYTE + b"PASS x\r\n"),
    "lists": (MANY, LOGIN + b"LIST\r\nUIDL\r\nSTAT\r\n" * 500),
    "deletions": (MANY, LOGIN + b"".join(b"DELE %d\r\n" % one for one in range(1, 2_001)) + b"QUIT\r\n"),
    "messages": (LARGE, LOGIN + b"RETR 1\r\n" * 20),
    "tops of many lines": (LARGE, LOGIN + b"TOP 1 1999999\r\n" * 20),
    "dots": (DOTS, LOGIN + b"RETR 1\r\nTOP 1 599999\r\n" * 10),
}
POLICY = Pop3Policy(users={"ann": "x"})


@pytest.mark.once  # what Python's own parsers cost is tests/mail/test_cost.py's
@pytest.mark.slow
@pytest.mark.parametrize("name", ATTACKS)
def test_no_client_holds_the_loop_thread_up(start_pop3_server, longest_step, name):
    messages, octets = ATTACKS[name]
    server = start_pop3_server(POLICY)
    for message in messages:
        server.put(message, to="ann")
    with socket.create_connection((server.host, server.port), 60) as client:
        reader = threading.Thread(target=_read, args=(client,))
        reader.start()
        with contextlib.suppress(OSError):
            client.sendall(octets)
            client.shutdown(socket.SHUT_WR)
        reader.join()
    server.sessions.wait()
    assert longest_step() < BUDGET


def _read(client):
    with contextlib.suppress(OSError):
        while client.recv(MEGABYTE):
            pass
