"""Accepting where file descriptors run out: one too many is told so, what is left is for other work, and it passes."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import smtplib
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from smtpfix import Server
from smtpfix.wire.door import Door

pytestmark = pytest.mark.slow

pytest.importorskip("resource", reason="this system has no limit of file descriptors")

LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (96, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
from smtpfix.__main__ import main
sys.exit(main(sys.argv[1:]))
"""
TIMEOUT = 20
"""Seconds for each wait: none takes as long unless something is broken."""


class Serve:
    """`smtpfix serve` in a process that may have 96 file descriptors, 24 of which are no connection's."""

    def __init__(self, *arguments):
        command = [sys.executable, "-c", LIMITED, "serve", "--json", "--timeout", "60", *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.events = []
        self.until("listening")
        self.port = self.events[0]["port"]

    def until(self, kind, count=1):
        """Read events until so many of a kind have come."""
        while sum(event["event"] == kind for event in self.events) < count:
            self.events.append(json.loads(self.process.stdout.readline()))

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), TIMEOUT)

    def end(self):
        """End it in order; return what it said on stderr."""
        self.process.terminate()
        _, error = self.process.communicate(timeout=TIMEOUT)
        assert self.process.returncode == 0
        return error


@pytest.fixture
def serve():
    with contextlib.ExitStack() as opened:

        def start(*arguments):
            run = Serve(*arguments)
            opened.callback(run.process.communicate)
            opened.callback(run.process.kill)
            return run

        yield start


def read_all(client):
    octets = b""
    while more := client.recv(1000):
        octets += more
    return octets


def test_idle_clients_leave_room_for_the_mail_of_one_that_is_there_and_one_too_many_is_told_so(serve, tmp_path):
    run = serve("--listen", "plain@127.0.0.1:0", "--save", str(tmp_path / "mail"))
    with contextlib.ExitStack() as opened:
        busy = opened.enter_context(smtplib.SMTP("127.0.0.1", run.port, "client.example", TIMEOUT))
        idle = 0
        while True:
            client = opened.enter_context(run.connect())
            if not (greeting := client.recv(1000)).startswith(b"220 "):
                break
            idle += 1
        assert 20 < idle < 72
        assert greeting + read_all(client) == b"421 4.7.0 Too many connections\r\n"
        for _ in range(50):
            with run.connect() as client:
                assert read_all(client) == greeting
        assert busy.sendmail("ann@example.org", "bob@example.org", "Subject: x\r\n\r\n") == {}
        assert len(list((tmp_path / "mail").glob("*.eml"))) == 1
    run.until("session-ended", idle + 52)
    with run.connect() as client:
        assert client.recv(1000).startswith(b"220 ")
    warnings = run.end().splitlines()
    assert len(warnings) == 1
    assert warnings[0].startswith("turned a client away: 72 file descriptors are in use, the rest is not for clients")
    ended = [event["refusal"] for event in run.events if event["event"] == "session-ended"]
    assert ended.count("421 4.7.0 Too many connections") == 51


def test_clients_of_implicit_tls_that_find_no_room_get_no_clear_text(serve):
    run = serve("--listen", "implicit-tls@127.0.0.1:0")
    with contextlib.ExitStack() as opened:
        for _ in range(96):
            client = opened.enter_context(run.connect())
        assert client.recv(1000) == b""


def fill_up():
    """Take every file descriptor there is; return them."""
    taken = []
    with contextlib.suppress(OSError):
        while True:
            taken.append(os.dup(0))
    return taken


HOGGED = """
import resource, socket, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (96, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
from smtpfix import Policy, Server
from test_door import fill_up, os
with Server(Policy(host="127.0.0.1")) as server:
    client = socket.create_connection(("127.0.0.1", server.port))  # so that all is imported that serving takes
    assert client.recv(1000).startswith(b"220 ")
    client.close()
    server.sessions.wait()
    taken = fill_up()
    print(server.port, flush=True)
    sys.stdin.readline()
    for number in taken:
        os.close(number)
    sys.stdin.readline()
"""


def test_where_others_have_every_descriptor_clients_wait_and_are_served_once_there_is_one():
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    command = [sys.executable, "-c", HOGGED]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        port = int(process.stdout.readline())
        with contextlib.ExitStack() as opened:
            waiting = [opened.enter_context(socket.create_connection(("127.0.0.1", port), TIMEOUT)) for _ in range(5)]
            assert process.stderr.readline().startswith("cannot accept connections now: Too many open files; they wait")
            process.stdin.write("free\n")
            process.stdin.flush()
            assert [client.recv(1000)[:4] for client in waiting] == [b"220 "] * 5
        _, error = process.communicate("end\n", timeout=TIMEOUT)
        assert (process.returncode, error) == (0, "")


class Loop:
    """As much of an event loop as accepting takes, without any time."""

    def __init__(self):
        self.readers = {}
        self.later = []
        self.arrived = []

    def add_reader(self, opened, callback, *arguments):
        self.readers[opened] = (callback, arguments)

    def remove_reader(self, opened):
        self.readers.pop(opened, None)

    def call_later(self, seconds, callback, *arguments):
        assert seconds > 0
        self.later.append((callback, arguments))
        return self

    def cancel(self):
        self.later.clear()

    def connect_accepted_socket(self, protocol, connected):
        return protocol(), connected

    def create_task(self, arrival):
        self.arrived.append(arrival)
        return Arrival()


class Keeper:
    """A doorkeeper of such a loop."""

    can_watch = True

    def __init__(self):
        self.loop = Loop()
        self.watched = {}

    def watch(self, listening, knock):
        self.watched[listening] = knock

    def forget(self, listening):
        del self.watched[listening]


class Arrival:
    def add_done_callback(self, _callback):
        pass


class Listening:
    """A listening socket with what accepting gives, in order."""

    def __init__(self, *given):
        self.given = [*given]

    def accept(self):
        if isinstance(what := self.given.pop(0), OSError):
            raise what
        return what, ("192.0.2.1", 4000)

    def close(self):
        pass


def test_a_client_that_knocks_while_a_door_opens_waits_until_all_of_it_is_open():
    """A socket that is shared with others, as those of workers are, may have clients before it is watched."""

    class Hasty(Keeper):
        knocking = None

        def watch(self, listening, knock):
            super().watch(listening, knock)
            if self.knocking is None:
                self.knocking = threading.Thread(target=knock, args=(listening,))
                self.knocking.start()
                self.knocking.join(0.05)  # it cannot end: what it waits for is that the door is open

    keeper = Hasty()
    listening = [Listening(BlockingIOError()) for _ in range(2)]
    door = Door(keeper, listening, lambda peer: peer, None)
    door.open()
    keeper.knocking.join(5)
    assert keeper.watched == {}
    assert [*keeper.loop.readers] == listening


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
def test_a_server_that_cannot_accept_rests_and_tries_again_with_one_warning(caplog, number):
    """Instead of being called again and again by a loop that finds a connection waiting."""
    keeper = Keeper()
    loop = keeper.loop
    with socket.socket() as connected:
        listening = Listening(*[OSError(number, "no room")] * 3, connected, BlockingIOError())
        door = Door(keeper, [listening], lambda peer: peer, None)
        door.open()
        keeper.watched[listening](listening)
        assert keeper.watched == {}
        for attempt in range(3):
            if attempt:
                callback, arguments = loop.readers[listening]
                callback(*arguments)
            assert loop.readers == {}
            ((again, with_it),) = loop.later
            loop.later.clear()
            again(*with_it)
        callback, arguments = loop.readers[listening]
        callback(*arguments)
        assert loop.arrived == [(("192.0.2.1", 4000), connected)]
        assert (listening.given, loop.later) == ([], [])
        assert not door.close_unused()
        door.close()
        assert loop.readers == {}
    assert len(caplog.records) == 1


def test_a_door_that_closes_while_it_rests_stays_closed():
    keeper, listening = Keeper(), Listening(OSError(errno.EMFILE, "no room"))
    door = Door(keeper, [listening], None, None)
    door.open()
    keeper.watched[listening](listening)
    door.close()
    assert (keeper.loop.readers, keeper.loop.later) == ({}, [])


def test_a_door_that_closed_before_the_loop_heard_its_first_client_lets_nobody_in():
    keeper, listening = Keeper(), Listening()
    door = Door(keeper, [listening], None, None)
    door.open()
    knock = keeper.watched[listening]
    assert door.close_unused()
    assert keeper.watched == {}
    knock(listening)  # accepting would fail: there is nothing to accept
    assert keeper.loop.readers == {}


def test_servers_start_and_close_in_many_threads_while_clients_come_to_some():
    def use(number, errors):
        try:
            for round_ in range(30):
                with Server() as server:
                    if (number + round_) % 2:
                        with server.client() as client:
                            client.noop()
                        assert len(server.sessions) == 1
                assert not server.is_running
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test has to know
            errors.append(error)

    errors = []
    threads = [threading.Thread(target=use, args=(number, errors)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
