"""A session that is over takes no memory but its record's."""

import gc
import socket
import weakref

import pytest

from smtpfix import ImapPolicy, Policy, Pop3Policy, Server

BYE = {"smtp": b"QUIT\r\n", "imap": b"a LOGOUT\r\n", "pop3": b"QUIT\r\n"}


def seen_end(server, said):
    """Let a client speak to its session's end; return what there was of that."""
    with socket.create_connection((server.host, server.port), 5) as client:
        client.recv(4096)
        things = [weakref.ref(thing) for one in server._serving.conversations for thing in (one, one.channel)]
        client.sendall(said)
        while client.recv(4096):
            pass
    server.sessions.wait()
    assert len(server.sessions) == 1  # reading lets the server's thread come to its end
    return things


@pytest.mark.parametrize("policy", [Policy(), ImapPolicy(), Pop3Policy()], ids=["smtp", "imap", "pop3"])
def test_it_is_gone_at_once_and_not_when_the_garbage_collector_comes(policy):
    with Server(policy) as server:
        gc.disable()
        try:
            things = seen_end(server, BYE[policy.speaks().name])
            assert [thing() for thing in things] == [None, None]
        finally:
            gc.enable()
