"""Which servers run in this process: each once, in the order they were started, and none kept alive for it."""

from __future__ import annotations

import gc
import weakref

from smtpfix import Server
from smtpfix.audit.wire import WireServer
from smtpfix.running import RUNNING, Running


class Started:
    """Something that was started."""


def test_each_is_there_once_in_order_until_it_is_forgotten():
    running, first, second = Running(), Started(), Started()
    for server in (first, second, first):
        running.add(server)
    assert running.servers == (first, second)
    running.forget(first)
    assert running.servers == (second,)


def test_nothing_is_kept_alive():
    running, server = Running(), Started()
    running.add(server)
    reference = weakref.ref(server)
    del server
    gc.collect()
    assert reference() is None
    assert running.servers == ()


def test_servers_are_known_from_their_start_on_but_those_of_an_audit():
    server = Server()
    assert not server.is_running
    assert server not in RUNNING.servers
    with server, WireServer() as other:
        assert server.is_running
        assert server in RUNNING.servers
        assert other not in RUNNING.servers
    assert not server.is_running
