"""Listening sockets: loopback on both IP versions at one port, and errors a person can use."""

from __future__ import annotations

import errno
import os
import socket
from contextlib import ExitStack

import pytest

from smtpfix import ListenError
from smtpfix.wire import listen as listen_module
from smtpfix.wire.listen import listen, listen_together


@pytest.fixture
def listening():
    """Return a function like `listen` whose sockets are closed after the test."""
    opened = []

    def start(host, port=0):
        sockets = listen(host, port)
        opened.extend(sockets)
        return sockets

    yield start
    for one in opened:
        one.close()


def names(sockets):
    return [one.getsockname()[:2] for one in sockets]


def test_localhost_is_both_loopback_addresses_at_one_port(listening, ipv6):
    sockets = listening("localhost")
    port = sockets[0].getsockname()[1]
    assert port > 0
    assert names(sockets) == [("127.0.0.1", port), ("::1", port)]


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_an_address_is_that_address_alone(listening, host):
    (one,) = listening(host)
    assert one.getsockname()[0] == host


def test_ipv6_does_not_take_ipv4s_port_too(listening, ipv6):
    (one,) = listening("::1")
    port = one.getsockname()[1]
    (other,) = listening("127.0.0.1", port)
    assert other.getsockname()[1] == port


def test_connections_are_accepted_at_once(listening):
    """The kernel keeps them until somebody serves them: nobody has to wait for readiness."""
    one = listening("127.0.0.1")[0]
    with socket.create_connection(one.getsockname(), timeout=10) as client:
        assert client.getpeername() == one.getsockname()


def test_sockets_are_what_asyncio_needs(listening):
    for one in listening("localhost"):
        assert one.getblocking() is False
        assert one.proto == socket.IPPROTO_TCP  # or asyncio leaves Nagle's algorithm on: 44 ms a session


def test_a_port_just_used_can_be_used_again(listening):
    """Past connections in TIME_WAIT are no obstacle."""
    first = listening("127.0.0.1")[0]
    name = first.getsockname()
    with socket.create_connection(name, timeout=10):
        first.setblocking(True)
        accepted, _ = first.accept()
        accepted.close()  # the side that closes first keeps the TIME_WAIT
    first.close()
    assert names(listening("127.0.0.1", name[1])) == [name]


# Errors


def test_a_port_in_use(listening):
    port = listening("127.0.0.1")[0].getsockname()[1]
    with pytest.raises(ListenError) as failed:
        listen("127.0.0.1", port)
    assert str(failed.value.strerror) == (
        f"cannot listen on 127.0.0.1 port {port}: another program does; "
        "stop it or choose another port (0 takes a free one)"
    )
    assert failed.value.errno == errno.EADDRINUSE
    assert isinstance(failed.value, OSError)


def test_a_port_in_use_on_one_address_of_localhost_leaves_the_other_one_free(listening, ipv6):
    port = listening("::1")[0].getsockname()[1]
    with pytest.raises(ListenError, match="another program does"):
        listen("localhost", port)
    listening("127.0.0.1", port)


def test_a_free_port_is_one_that_is_free_on_every_address(listening, ipv6, monkeypatch):
    """Port 0 on 127.0.0.1 may give one that is taken on ::1; then the next is tried."""
    taken = listening("::1")[0].getsockname()[1]
    listen_on, asked = listen_module._listen_on, []

    def give_the_taken_one_first(family, address, port):
        asked.append((address, port))
        return listen_on(family, address, taken if len(asked) == 1 else port)

    monkeypatch.setattr(listen_module, "_listen_on", give_the_taken_one_first)
    sockets = listening("localhost")
    assert len({port for _, port in names(sockets)} - {taken}) == 1
    assert asked[:3] == [("127.0.0.1", 0), ("::1", taken), ("127.0.0.1", 0)]


def test_processes_that_share_a_free_port_take_another_one_where_somebody_was_faster(monkeypatch):
    listen_on, rivals = listen_module._listen_on, []

    def be_faster(family, address, port, *, shared=False):
        if shared and not rivals:
            rivals.append(listen_on(family, address, port))
        return listen_on(family, address, port, shared=shared)

    monkeypatch.setattr(listen_module, "_listen_on", be_faster)
    with ExitStack() as opened:
        first, second = listen_together("127.0.0.1", 0, 2)
        for one in (*rivals, *first, *second):
            opened.enter_context(one)
        assert names(first) == names(second) != names(rivals)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (errno.EADDRINUSE, "another program does"),
        (errno.EACCES, "ports below 1024 need privileges"),
        (errno.EADDRNOTAVAIL, "no network interface of this machine has this address"),
        (errno.EMFILE, os.strerror(errno.EMFILE)),
    ],
)
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_each_error_is_explained(monkeypatch, host, number, text):
    tries = []

    def fail(*_):
        tries.append(1)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(listen_module, "_listen_on", fail)
    with pytest.raises(ListenError, match=f"cannot listen on {host} port 0: {text}") as failed:
        listen(host, 0)
    assert failed.value.errno == number
    assert len(tries) <= 20


@pytest.mark.parametrize("missing", [errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT])
@pytest.mark.parametrize(
    ("absent", "present"), [(socket.AF_INET6, "127.0.0.1"), (socket.AF_INET, "::1")], ids=["no IPv6", "no IPv4"]
)
def test_localhost_is_what_there_is(listening, ipv6, monkeypatch, missing, absent, present):
    listen_on = listen_module._listen_on

    def without(family, address, port):
        if family == absent:
            raise OSError(missing, os.strerror(missing))
        return listen_on(family, address, port)

    monkeypatch.setattr(listen_module, "_listen_on", without)
    (one,) = listening("localhost")
    assert one.getsockname()[0] == present


@pytest.mark.parametrize("host", ["no.such.host.invalid", "a" * 300, "300.1.1.1", "not a name"])
def test_a_host_nobody_knows(monkeypatch, host):
    def unknown(*_args, **_options):  # no name server is asked
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    if len(host) < 256:
        monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(ListenError, match="it is neither an IP address nor a name this machine knows"):
        listen(host, 0)


def test_an_address_of_somebody_else():
    """RFC 5737: 192.0.2.0/24 is nobody's."""
    with pytest.raises(ListenError, match="no network interface of this machine has this address"):
        listen("192.0.2.1", 0)


def test_a_socket_that_cannot_listen_is_closed(monkeypatch):
    made = []

    class Deaf(socket.socket):
        def listen(self, *_):
            raise OSError(errno.EOPNOTSUPP, "deaf")

        def __init__(self, *arguments):
            super().__init__(*arguments)
            made.append(self)

    monkeypatch.setattr(socket, "socket", Deaf)
    with pytest.raises(ListenError, match="deaf"):
        listen("127.0.0.1", 0)
    assert [one.fileno() for one in made] == [-1]
