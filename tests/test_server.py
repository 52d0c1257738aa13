"""A server's life: where it listens, what it gives its clients, how quickly and completely it closes; its errors."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import smtplib
import socket
import ssl
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from smtpfix import (
    Authority,
    CallbackFailed,
    CloseTimeoutError,
    Delay,
    Inbox,
    Limits,
    ListenError,
    Mode,
    NoSession,
    NotRunningError,
    Policy,
    Rate,
    Reply,
    Server,
    SessionEnd,
)
from smtpfix.wire.loop import LOOP_THREAD

pytestmark = pytest.mark.usefixtures("nothing_logged")

BOUND = 5.0
"""Seconds that closing may take."""


@pytest.fixture
def server(smtp_authority):
    """Return a server that is not started."""
    server = Server(authority=smtp_authority)
    yield server
    server.close()


def send(server, content="Subject: x\r\n\r\nx"):
    with server.client() as client:
        client.sendmail("ann@example.org", ["bob@example.org"], content)


def timed_close(server):
    began = time.monotonic()
    server.close()
    return time.monotonic() - began


# Start


def test_a_started_server_is_reachable_on_every_loopback_address_at_one_port(server, ipv6):
    server.start()
    assert server.addresses == (("127.0.0.1", server.port), ("::1", server.port))
    assert server.host == "localhost"
    for host in ("127.0.0.1", "::1", "localhost"):
        with smtplib.SMTP(host, server.port, timeout=10) as client:
            client.noop()
    assert [session.server for session in server.sessions[:2]] == list(server.addresses)


@pytest.mark.parametrize(
    ("host", "addresses", "named"),
    [("127.0.0.1", ["127.0.0.1"], "127.0.0.1"), ("0.0.0.0", ["0.0.0.0"], "127.0.0.1")],
)
def test_a_host_of_ones_own(start_smtp_server, host, addresses, named):
    """Whoever listens everywhere is reached on the loopback address: nobody can connect to 0.0.0.0 everywhere."""
    server = start_smtp_server(host=host)
    assert [address for address, _ in server.addresses] == addresses
    assert server.host == named
    send(server)
    assert len(server.inbox) == 1


@pytest.mark.parametrize(("host", "named"), [("::1", "::1"), ("::", "::1")])
def test_a_host_of_ones_own_in_ipv6(start_smtp_server, ipv6, host, named):
    server = start_smtp_server("implicit-tls", host=host)
    assert server.host == named
    send(server)
    assert server.sessions[-1].client[0] == "::1"


def test_a_port_of_ones_own(start_smtp_server):
    first = start_smtp_server()
    port = first.port
    first.close()
    second = start_smtp_server(port=port)
    assert second.port == port
    send(second)


def test_a_port_in_use_is_an_error_that_says_what_to_do(start_smtp_server, server):
    port = start_smtp_server().port
    taken = Server(Policy(port=port))
    with pytest.raises(ListenError, match=f"localhost port {port}: another server of this process does"):
        taken.start()
    with pytest.raises(NotRunningError):
        _ = taken.port
    taken.close()  # nothing to do, and no error


def test_a_server_starts_once(server):
    server.start()
    with pytest.raises(RuntimeError, match="started already"):
        server.start()
    send(server)


@pytest.mark.parametrize("mode", list(Mode))
def test_a_closed_server_starts_again_where_it_was_with_what_it_had(mode):
    with Server(Policy(mode)) as server:
        port, trusted = server.port, server.ca_file.read_bytes()
        server.on("RSET", Reply(451, "4.3.0", "Not now"))
        send(server)
    with socket.socket() as client:
        assert client.connect_ex(("127.0.0.1", port)) != 0
    for _ in range(3):
        with server:
            assert (server.port, server.ca_file.read_bytes()) == (port, trusted)
            assert repr(server) == f"<Server {mode} localhost:{port}>"
            with server.client() as client:
                assert client.rset()[0] == 451
            send(server)
    assert [message.number for message in server.inbox] == [1, 2, 3, 4]
    assert [session.number for session in server.sessions] == list(range(1, 8))
    assert {session.end for session in server.sessions} == {SessionEnd.QUIT}


def test_a_server_whose_port_somebody_else_has_taken_can_be_started_later(server):
    server.start()
    server.close()
    port = server.port
    with Server(Policy(port=port)), pytest.raises(ListenError, match=f"port {port}"):
        server.start()
    with server:
        assert server.port == port
        send(server)


def test_a_client_that_is_told_421_comes_again_when_the_server_is_back(server, wire):
    server.start()
    client = wire(server)
    server.close(graceful=True)
    assert client.reply() == "421 4.3.2 Service shutting down, closing"
    server.start()
    assert wire(server).say("NOOP") == "250 2.0.0 OK"
    server.close()


def test_an_awaited_server_starts_again():
    async def use():
        server = Server()
        for _ in range(2):
            async with server:
                await asyncio.to_thread(send, server)
        return len(server.inbox)

    assert asyncio.run(use()) == 2


@pytest.mark.parametrize("ask", [lambda s: s.host, lambda s: s.port, lambda s: s.addresses, lambda s: s.client()])
def test_a_server_that_was_not_started_has_no_address(server, ask):
    with pytest.raises(NotRunningError, match="use it in a with statement, or call start"):
        ask(server)
    server.start()
    result = ask(server)
    if isinstance(result, smtplib.SMTP):
        result.close()


def test_a_server_takes_a_policy_and_not_a_mode():
    with pytest.raises(TypeError, match=r"write Server\(Policy"):
        Server("starttls")


def test_the_repr_says_where_it_is_and_whether_it_is_closed(server):
    assert repr(server) == "<Server plain not started>"
    server.start()
    assert repr(server) == f"<Server plain localhost:{server.port}>"
    server.close()
    assert repr(server) == f"<Server plain localhost:{server.port}, closed>"


def test_a_failed_start_leaves_nothing_behind(smtp_authority, monkeypatch):
    """As when the certificate cannot be made: the port is free again and the thread is not held."""
    opened = []
    monkeypatch.setattr(
        "smtpfix.server.listen", lambda *_: opened.append(socket.create_server(("127.0.0.1", 0))) or opened
    )
    monkeypatch.setattr(smtp_authority, "server_context", lambda *_: 1 / 0)
    held = LOOP_THREAD._holders
    with pytest.raises(ZeroDivisionError):
        Server(Policy("implicit-tls"), authority=smtp_authority).start()
    assert opened[0].fileno() == -1
    assert LOOP_THREAD._holders == held


# What it gives


def test_a_server_of_its_own_authority_keeps_the_ca_file_until_it_closes():
    with Server(Policy("implicit-tls")) as server:
        path = server.ca_file
        context = ssl.create_default_context(cafile=path)
        with smtplib.SMTP_SSL(server.host, server.port, context=context, timeout=10) as client:
            client.noop()
        assert path.exists()
    assert not path.exists()
    assert not path.parent.exists()


def test_a_shared_authority_outlives_its_servers(smtp_authority):
    with Server(Policy("implicit-tls"), authority=smtp_authority) as first:
        path = first.ca_file
    assert path.exists()
    with Server(Policy("starttls"), authority=smtp_authority) as second:
        assert second.ca_file == path
        send(second)


def test_servers_can_share_an_inbox(smtp_authority):
    inbox = Inbox()
    with (
        Server(Policy("plain"), inbox=inbox) as plain,
        Server(Policy("implicit-tls"), inbox=inbox, authority=smtp_authority) as secure,
    ):
        send(plain)
        send(secure)
    assert [(message.number, message.in_tls) for message in inbox] == [(1, False), (2, True)]


def test_client_leaves_no_socket_behind_when_tls_fails(no_garbage, start_smtp_server, monkeypatch):
    server = start_smtp_server("starttls")
    with Authority() as somebody_elses:
        monkeypatch.setattr(server, "ssl_context", somebody_elses.client_context)
        with pytest.raises(ssl.SSLCertVerificationError):
            server.client()
    gc.collect()  # an open socket would be a ResourceWarning, which is an error here
    assert server.sessions[-1].is_over


def test_what_was_captured_stays_readable_after_closing(server):
    server.start()
    send(server)
    server.close()
    assert server.inbox.one().to == ("bob@example.org",)
    assert server.sessions[-1].end is SessionEnd.QUIT


def test_the_oldest_sessions_go_first(start_smtp_server):
    server = start_smtp_server(max_sessions=3)
    for _ in range(5):
        send(server)
    assert [session.number for session in server.sessions] == [3, 4, 5]
    assert server.sessions.dropped == 2


# Used by many


def test_a_reset_server_is_as_good_as_new_and_its_clients_stay(start_smtp_server, wire):
    server = start_smtp_server()
    client = wire(server)
    client.hello()
    client.deliver()
    send(server)
    server.on("MAIL", Reply(451), argument="*@slow.example")
    server.reset()
    assert (len(server.inbox), len(server.inbox.refused), server.rules) == (0, 0, ())
    assert [session.number for session in server.sessions] == [1], "its client is still there"
    assert server.sessions.dropped == server.inbox.dropped == 0
    assert client.say("MAIL FROM:<ann@slow.example>").startswith("250 ")
    client.close()
    send(server)
    assert [session.number for session in server.sessions.wait(2)] == [1, 3]
    server.reset()
    assert len(server.sessions) == 0
    with pytest.raises(NoSession):
        server.sessions.wait(timeout=0)


def test_off_leaves_a_scenario_in_force_and_reset_brings_it_back(start_smtp_server, wire):
    server = start_smtp_server("starttls", scenario="strip-ehlo")
    own = server.rules
    server.on("EHLO", Reply(250, None, "mx.smtpfix.test\nSTARTTLS"))
    assert "STARTTLS" in wire(server).hello()
    server.off()
    assert server.rules == own
    assert "STARTTLS" not in wire(server).hello()
    server.off(*own)
    assert "STARTTLS" in wire(server).hello()
    server.reset()
    assert server.rules == own
    assert "STARTTLS" not in wire(server).hello()


def test_reset_lets_a_scenario_begin_anew(start_smtp_server, wire):
    server = start_smtp_server(scenario="greylisting")

    def first_replies():
        client = wire(server)
        client.hello()
        client.say("MAIL FROM:<ann@example.org>")
        return [client.say("RCPT TO:<bob@example.org>")[:3] for _ in range(2)]

    before = first_replies()
    assert before == ["450", "250"]
    assert first_replies() == ["250", "250"]
    server.reset()
    assert server.unused_rules == server.rules
    assert first_replies() == before


def test_reset_forgets_what_clients_have_used_up(start_smtp_server, wire):
    server = start_smtp_server(greylist=300, limits=Limits(connection_rate=Rate(2, 3600)))

    def greeting_and_recipient():
        client = wire(server, greeted=False)
        yield client.reply()[:3]
        client.hello()
        client.say("MAIL FROM:<ann@example.org>")
        yield client.say("RCPT TO:<bob@example.org>")[:3]

    assert list(greeting_and_recipient()) == ["220", "450"]
    server.advance(400)
    assert list(greeting_and_recipient()) == ["220", "250"]
    assert next(greeting_and_recipient()) == "421"
    server.reset()
    assert list(greeting_and_recipient()) == ["220", "450"]


def test_the_nth_session_of_a_rule_is_counted_from_reset(start_smtp_server, wire):
    server = start_smtp_server()
    for _ in range(3):
        wire(server)
    server.reset()
    server.on("NOOP", Reply(451), session=2)
    assert [wire(server).say("NOOP")[:3] for _ in range(3)] == ["250", "451", "250"]


# Close


@pytest.mark.parametrize("mode", list(Mode))
def test_a_server_without_clients_closes_at_once(smtp_authority, mode):
    server = Server(Policy(mode), authority=smtp_authority).start()
    assert timed_close(server) < BOUND


def idle(client, _server):
    client.hello()


def in_content(client, _server):
    client.send(b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\nSubject: unfinished")


def in_an_over_long_line(client, _server):
    client.send(b"x" * 100_000)


def in_auth(client, _server):
    client.send(b"EHLO x\r\nAUTH LOGIN\r\n")


def held_by_a_rule(client, server):
    server.on("NOOP", Delay(60))
    client.send(b"NOOP\r\n")


def not_reading(client, _server):
    client.flood((b"HELP " + b"x" * 100 + b"\r\n") * 500)


BUSY = [idle, in_content, in_an_over_long_line, in_auth, held_by_a_rule, not_reading]


@pytest.mark.parametrize("mode", ["plain", "starttls", "implicit-tls"])
@pytest.mark.parametrize("doing", [*BUSY[:-1], pytest.param(not_reading, marks=pytest.mark.slow)])
def test_a_server_closes_in_a_second_whatever_its_clients_do(smtp_authority, wire, mode, doing):
    server = Server(Policy(mode, users={"ann": "s3cret"}), authority=smtp_authority).start()
    client = wire(server)
    if mode == "starttls":
        client.start_tls()
    doing(client, server)
    assert server.sessions[-1].end is None
    assert timed_close(server) < BOUND
    session = server.sessions[-1]
    assert session.end is SessionEnd.SERVER_CLOSED
    if doing is not not_reading:
        client.rest()  # ends: the connection is gone


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("is_closed", [True, False])
def test_clients_that_idle_are_told_421(smtp_authority, wire, mode, is_closed):
    with Server(Policy(mode), authority=smtp_authority) as server:
        idling, busy = wire(server), wire(server)
        if mode in {"starttls", "tls-required"}:
            idling.start_tls()
            busy.start_tls()
        idling.hello()
        in_content(busy, server)
        assert len(server.sessions) == 2
        if is_closed:
            server.close(graceful=True)
        else:
            assert server.disconnect_idle() == 1
        assert idling.reply() == "421 4.3.2 Service shutting down, closing"
        assert idling.rest() == b""
        first, second = server.sessions
        assert first.end is (SessionEnd.SERVER_CLOSED if is_closed else SessionEnd.REFUSED)
        assert first.violations == ()
        assert second.end is (SessionEnd.SERVER_CLOSED if is_closed else None)
        assert "S: 421" not in str(second.transcript)
        if not is_closed:
            assert wire(server).say("NOOP") == "250 2.0.0 OK"


def test_the_words_at_the_end_are_the_policys(smtp_authority, wire):
    policy = Policy(replies={"shutting_down": "{hostname} closing connection"})
    with Server(policy, authority=smtp_authority) as server:
        client = wire(server)
        server.disconnect_idle()
        assert client.reply() == "421 4.3.2 mx.smtpfix.test closing connection"


def test_closing_in_order_answers_first_what_was_said_before(smtp_authority, wire):
    with Server(authority=smtp_authority) as server:
        client = wire(server)
        client.send(b"NOOP\r\nNOOP\r\n")
        asyncio.run(server.aclose(graceful=True))
        assert [reply[:3] for reply in client.replies(3)] == ["250", "250", "421"]


@pytest.mark.parametrize("doing", [*BUSY[:-1], pytest.param(not_reading, marks=pytest.mark.slow)])
def test_a_server_closes_in_order_in_a_second_whatever_its_clients_do(smtp_authority, wire, doing):
    server = Server(Policy(users={"ann": "s3cret"}), authority=smtp_authority).start()
    doing(wire(server), server)
    assert server.sessions[-1].end is None
    server.close(graceful=True)  # raises after a second
    assert server.sessions[-1].end is SessionEnd.SERVER_CLOSED


def test_only_a_server_that_runs_disconnects_clients(server):
    with pytest.raises(NotRunningError):
        server.disconnect_idle()
    server.start()
    assert server.disconnect_idle() == 0
    server.close()
    with pytest.raises(NotRunningError):
        server.disconnect_idle()


def test_a_client_that_never_rests_holds_up_neither_others_nor_closing(smtp_authority, wire):
    """It sends commands and reads replies as fast as it can; everybody else still gets a turn."""
    server = Server(authority=smtp_authority).start()
    restless = wire(server)

    def read():
        restless.rest()

    def write():
        with contextlib.suppress(OSError):
            while True:
                restless.send(b"RSET\r\n" * 20_000)

    threads = [threading.Thread(target=read), threading.Thread(target=write)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(5):
            began = time.monotonic()
            assert wire(server).say("NOOP") == "250 2.0.0 OK"
            assert time.monotonic() - began < BOUND
    finally:
        assert timed_close(server) < BOUND
        for thread in threads:
            thread.join(10)


@pytest.mark.parametrize("mode", ["starttls", "implicit-tls"])
@pytest.mark.parametrize("octets", [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01"])
def test_a_server_closes_in_a_second_during_a_handshake(smtp_authority, wire, mode, octets):
    server = Server(Policy(mode), authority=smtp_authority).start()
    client = wire(server, greeted=mode != "implicit-tls")
    if mode == "starttls":
        client.say("STARTTLS")
    client.send(octets)
    assert server.sessions[-1].end is None
    assert timed_close(server) < BOUND
    assert client.rest() == b""
    assert server.sessions[-1].end is SessionEnd.SERVER_CLOSED


def test_a_server_closes_in_a_second_with_hundreds_of_clients(smtp_authority, wire):
    server = Server(Policy("plain"), authority=smtp_authority).start()
    clients = [wire(server) for _ in range(200)]
    for number, client in enumerate(clients):
        client.send((b"", b"NOO", b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\nDATA\r\nx")[number % 3])
    assert timed_close(server) < BOUND
    assert {session.end for session in server.sessions} == {SessionEnd.SERVER_CLOSED}
    assert len(server.sessions) == 200
    assert not server._serving.conversations


def test_a_server_that_closes_answers_nobody_any_more_however_many_have_something_to_say(smtp_authority, wire):
    """A turn of 20 ms for each of them would take longer than closing may, as it did in Python's development mode."""
    server = Server(authority=smtp_authority).start()
    clients = [wire(server) for _ in range(20)]
    service = server._serving.service
    held, sent, heard, closing_began = (threading.Event() for _ in range(4))

    def until_sent():
        held.set()
        sent.wait(10)
        service.loop.call_soon(until_closing)

    def until_closing():  # by now the loop knows of all of them, and gives them their turns before it looks again
        heard.set()
        closing_began.wait(10)

    service.loop.call_soon_threadsafe(until_sent)
    assert held.wait(10)
    for client in clients:
        client.send(b"RSET\r\n" * 1000)
    sent.set()
    assert heard.wait(10)
    closing = threading.Thread(target=server.close)
    closing.start()
    while not service.closing.has_begun:
        closing.join(0.01)
    closing_began.set()
    closing.join(10)
    assert [session.transcript.commands for session in server.sessions] == [()] * 20
    assert {session.end for session in server.sessions} == {SessionEnd.SERVER_CLOSED}


def test_closing_twice_is_fine(server):
    server.start()
    server.close()
    server.close()


def test_closing_what_was_not_started_is_fine(server):
    server.close()
    server.start()
    send(server)


def test_nobody_listens_any_more_after_closing(server):
    server.start()
    where = server.addresses
    server.close()
    for address in where:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address, timeout=10)


def test_clients_that_connect_while_a_server_closes_are_no_errors(smtp_authority, nothing_logged):
    """Without care asyncio logs an error for a connection it has accepted for a server that is gone."""
    ports = []
    stop = threading.Event()

    def connect():
        while not stop.is_set():
            try:
                with socket.create_connection(("127.0.0.1", ports[-1]), timeout=10) as client:
                    client.sendall(b"EHLO x\r\n")
                    client.recv(100)
            except (OSError, IndexError):
                pass

    threads = [threading.Thread(target=connect) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        slowest = 0.0
        for number in range(60):
            server = Server(Policy(list(Mode)[number % 4]), authority=smtp_authority).start()
            ports.append(server.port)
            with socket.create_connection(("127.0.0.1", server.port), timeout=10):
                slowest = max(slowest, timed_close(server))
            assert not server._serving.conversations
    finally:
        stop.set()
        for thread in threads:
            thread.join(10)
    assert slowest < BOUND


def test_a_server_started_and_closed_at_once_leaves_nothing(smtp_authority):
    for _ in range(50):
        Server(authority=smtp_authority).start().close()


def test_servers_can_be_started_and_closed_by_many_threads(smtp_authority):
    def live(_number):
        with Server(Policy("starttls"), authority=smtp_authority) as server:
            send(server)
            return len(server.inbox), len(server.sessions)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(live, range(40))) == [(1, 1)] * 40


class Stuck:
    """An observer that does what none may: it blocks."""

    def __init__(self):
        self.released = threading.Event()

    def session_started(self, _server, _session):
        self.released.wait(10)

    def message_captured(self, _server, _message):
        pass

    def session_ended(self, _server, _session):
        pass


def test_a_server_that_cannot_close_says_what_hangs(smtp_authority):
    stuck = Stuck()
    server = Server(authority=smtp_authority, observer=stuck).start()
    with socket.create_connection(("127.0.0.1", server.port), timeout=10):
        LOOP_THREAD.catch_up()
        began = time.monotonic()
        with pytest.raises(CloseTimeoutError, match=r"did not close within 1 s; still open: session 1 \(plain\)"):
            server.close()
        assert time.monotonic() - began < 8  # and not 10, when it is free by itself
        stuck.released.set()
    LOOP_THREAD.catch_up()


def test_an_observer_is_told_everything_in_order(smtp_authority):
    told = []

    class Observer:
        def session_started(self, server, session):
            told.append(("started", session.number))

        def message_captured(self, server, message):
            told.append(("captured", message.number, message.accepted, len(server.inbox)))

        def session_ended(self, server, session):
            told.append(("ended", session.number, session.end))

    with Server(authority=smtp_authority, observer=Observer()) as server:
        send(server)
        server.sessions.wait(1)
    assert told == [("started", 1), ("captured", 1, True, 1), ("ended", 1, SessionEnd.QUIT)]


class Fails:
    """An observer that raises where it is told to, and notes what it heard."""

    def __init__(self, where, error):
        self.where, self.error, self.heard = where, error, []

    def _hear(self, where):
        self.heard.append(where)
        if where == self.where:
            raise self.error

    def session_started(self, _server, _session):
        self._hear("started")

    def message_captured(self, _server, _message):
        self._hear("captured")

    def session_ended(self, _server, _session):
        self._hear("ended")


@pytest.mark.parametrize("protocol", ["smtp", "lmtp"])
@pytest.mark.parametrize("where", ["started", "captured", "ended"])
def test_an_observer_that_raises_is_not_the_client_s_fault(wire, where, protocol):
    observer = Fails(where, KeyError("a bug"))
    server = Server(Policy(protocol=protocol), observer=observer).start()
    client = wire(server, greeted=False)
    hello = b"LHLO x\r\n" if protocol == "lmtp" else b"EHLO x\r\n"
    client.send(
        hello + b"MAIL FROM:<ann@example.org>\r\nRCPT TO:<bob@example.org>\r\nRCPT TO:<eve@example.org>\r\n"
        b"DATA\r\nx\r\n.\r\nQUIT\r\n"
    )
    (session,) = server.sessions.wait(1)
    said = client.rest().decode()
    assert session.end is (SessionEnd.QUIT if where == "ended" else SessionEnd.ERROR)
    assert ("451 4.3.0 Local error in processing\r\n" in said) is (where != "ended")
    assert "no-quit" not in {violation.id for violation in session.violations}
    if where == "captured":
        assert (len(server.inbox), session.message_count) == (0, 0)
        assert [message.reply.code for message in server.inbox.refused] == [451]
        assert said.endswith("\r\n451 4.3.0 Local error in processing\r\n")
    assert observer.heard[-1] == "ended"
    with pytest.raises(
        CallbackFailed, match=r"the observer raised KeyError: 'a bug' \(test_server\.py:\d+, session 1\)"
    ):
        server.close()


@pytest.mark.parametrize("mode", ["starttls", "implicit-tls"])
def test_an_observer_that_raises_before_tls_ends_the_session(smtp_authority, mode):
    server = Server(
        Policy(mode), authority=smtp_authority, observer=Fails("started", pytest.fail.Exception("no"))
    ).start()
    with pytest.raises((smtplib.SMTPException, OSError)):
        server.client()
    assert server.sessions.wait(1)[0].end is SessionEnd.ERROR
    with pytest.raises(CallbackFailed, match="the observer raised Failed: no"):
        server.close()


def test_an_observer_that_cannot_keep_a_message_cuts_the_client_off_as_ever(smtp_authority):
    server = Server(authority=smtp_authority, observer=Fails("captured", OSError(28, "No space left"))).start()
    with pytest.raises(smtplib.SMTPServerDisconnected):
        send(server)
    (session,) = server.sessions.wait(1)
    assert "250 2.0.0 OK, message captured" not in str(session.transcript)
    server.close()


def test_a_server_cannot_be_closed_from_its_own_thread(smtp_authority):
    """It would wait for itself."""
    errors = []

    class Closes:
        def session_started(self, server, _session):
            try:
                server.close()
            except RuntimeError as error:
                errors.append(str(error))

        def message_captured(self, _server, _message):
            pass

        def session_ended(self, _server, _session):
            pass

    with Server(authority=smtp_authority, observer=Closes()) as server:
        send(server)
    assert errors == ["a server cannot be closed from its own thread, where observers run"]


# Awaited


def test_a_server_can_be_awaited():
    async def use():
        async with Server() as server:
            await asyncio.to_thread(send, server)
            (message,) = await server.inbox.received(1)
            (session,) = await server.sessions.ended(1)
            return message.to, session.end

    assert asyncio.run(use()) == (("bob@example.org",), SessionEnd.QUIT)


def test_the_event_loop_goes_on_while_a_server_closes(smtp_authority):
    """Awaited closing takes turns with everything else: the other task runs before it is done."""

    async def use():
        server = Server(authority=smtp_authority).start()
        order = []

        async def other():
            order.append("other")

        task = asyncio.create_task(other())
        await server.aclose()
        order.append("closed")
        await task
        await server.aclose()
        return order

    assert asyncio.run(use()) == ["other", "closed"]


def test_closing_that_is_cancelled_closes_all_the_same(smtp_authority, wire):
    server = Server(authority=smtp_authority).start()
    client = wire(server)

    async def use():
        closing = asyncio.create_task(server.aclose())
        await asyncio.sleep(0)
        closing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await closing

    asyncio.run(use())
    assert client.rest() == b""
    assert server.sessions[-1].end == "server closed"
    server.start()  # again
    server.close()


# Nothing is left


LIFE = """
import gc, os, smtplib, socket, sys, tempfile, threading
from smtpfix import ANY_USER, Authority, Policy, Server

folder = tempfile.mkdtemp()
tempfile.tempdir = folder
for mode in ("plain", "starttls", "tls-required", "implicit-tls"):
    with Server(Policy(mode, users=ANY_USER)) as server:
        assert server.ca_file.exists()
        for _ in range(5):
            with server.client() as client:
                client.login("ann", "s3cret")
                client.sendmail("ann@example.org", ["bob@example.org"], "Subject: x\\r\\n\\r\\nx")
        assert len(server.inbox) == 5
        # one that stays: idle, in its content, in its handshake, and one that was refused
        lingering = [socket.create_connection(("127.0.0.1", server.port), timeout=10) for _ in range(3)]
        lingering[1].sendall(b"EHLO x\\r\\nMAIL FROM:<>\\r\\nRCPT TO:<b@example.org>\\r\\nDATA\\r\\nx")
        lingering[2].sendall(b"\\x16\\x03\\x01\\x02\\x00\\x01")
        assert len(server.sessions) == 8
    for client in lingering:
        client.close()
gc.collect()
assert [thread.name for thread in threading.enumerate()] == ["MainThread"], threading.enumerate()
assert os.listdir(folder) == []
os.rmdir(folder)
print("all is gone", gc.collect() >= 0)
"""


def test_nothing_is_left_and_python_has_nothing_to_remark():
    """In a process of its own, in development mode and with warnings as errors."""
    result = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", LIFE],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    remarks = [line for line in result.stderr.splitlines() if not line.startswith("Executing <")]
    assert (result.returncode, remarks, result.stdout) == (0, [], "all is gone True\n")


def test_a_server_that_nobody_closes_does_not_keep_the_process():
    """A script that forgets to close, or dies, ends all the same."""
    code = "from smtpfix import Server; server = Server().start(); print(server.port > 0)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False, cwd=Path(__file__).parent
    )
    assert (result.returncode, result.stdout) == (0, "True\n")


def test_a_transcript_is_bounded_by_the_policy_and_the_messages_are_all_there(start_smtp_server):
    server = start_smtp_server(max_events=40)
    with server.client() as client:
        for number in range(20):
            client.sendmail("ann@example.org", ["bob@example.org"], f"Subject: {number}\r\n\r\n")
    session = server.sessions.wait()[0]
    assert len(session.transcript) <= 40
    assert "left out" in str(session.transcript)
    assert session.transcript.commands[0].upper().startswith("EHLO")
    assert session.transcript.commands[-1].upper() == "QUIT"
    assert [message.subject for message in server.inbox] == [str(number) for number in range(20)]
