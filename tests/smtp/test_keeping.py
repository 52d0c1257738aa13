"""A server that keeps messages for good: it answers one once it is kept, and says 451 where it could not be."""

from __future__ import annotations

import queue

import pytest

from smtpfix import Delay, Disconnect, NoReply, Reply, Server
from smtpfix.smtp.policy import Policy
from smtpfix.wire.loop import LOOP_THREAD

pytestmark = pytest.mark.usefixtures("nothing_logged")

BOUND = 20
OK = "250 2.0.0 OK"
CAPTURED = "250 2.0.0 OK, message captured"
NOT_KEPT = "451 4.3.0 The message could not be kept, try again later"
DISK_FULL = OSError("the disk is full")


class Keeper:
    """Holds messages until the test says that they are kept, or are not."""

    def __init__(self):
        self._asked = queue.Queue()
        self.loop = LOOP_THREAD.hold()

    def __call__(self, server, message, done):
        assert LOOP_THREAD.is_current
        self._asked.put((message, done))

    def next(self):
        return self._asked.get(timeout=BOUND)

    def tell(self, error=None):
        message, done = self.next()
        self.loop.call_soon_threadsafe(done, error)
        return message


@pytest.fixture
def keeper():
    yield Keeper()
    LOOP_THREAD.release()


@pytest.fixture
def serve(keeper, wire):
    """Return a function that starts a server that keeps messages, and connects to it."""
    started = []

    def serve(*rules, **fields):
        started.append(Server(Policy("plain", **fields), keep=keeper).start())
        for stage, *actions in rules:
            started[-1].on(stage, *actions)
        client = wire(started[-1], greeted=False)
        assert client.reply().startswith("220")
        assert client.say("LHLO me" if fields.get("protocol") == "lmtp" else "EHLO me").startswith("250")
        return started[-1], client

    yield serve
    for server in started:
        server.close()


def bring(client, *recipients, behind=b""):
    for line in ("MAIL FROM:<ann@example.org>", *(f"RCPT TO:<{to}@example.org>" for to in recipients or ("bob",))):
        assert client.say(line).startswith("250")
    assert client.say("DATA").startswith("354")
    client.send(b"Subject: x\r\n\r\nx\r\n.\r\n" + behind)


def test_a_message_is_answered_and_in_the_inbox_once_it_is_kept_and_commands_behind_it_wait(serve, keeper):
    server, client = serve()
    bring(client, behind=b"NOOP\r\n")
    message, done = keeper.next()
    assert message.accepted
    assert len(server.inbox) == 0
    LOOP_THREAD.catch_up()
    assert "250 2.0.0 OK" not in str(server.sessions[0].transcript)
    keeper.loop.call_soon_threadsafe(done, None)
    assert client.replies(2) == [CAPTURED, OK]
    assert server.inbox.one() is message
    assert server.sessions[0].message_count == 1


def test_one_that_could_not_be_kept_is_refused_for_now_and_the_next_one_is_taken(serve, keeper):
    server, client = serve()
    bring(client)
    keeper.tell(DISK_FULL)
    assert client.reply() == NOT_KEPT
    assert str(server.inbox.refused[0].reply) == NOT_KEPT
    assert "could not be kept: the disk is full" in str(server.sessions[0].transcript)
    bring(client)
    keeper.tell()
    assert client.reply() == CAPTURED
    assert len(server.inbox) == 1


def test_while_one_client_waits_the_others_are_served(serve, keeper, wire):
    server, client = serve()
    bring(client)
    assert wire(server).say("NOOP") == OK
    keeper.tell()
    assert client.reply() == CAPTURED


def test_a_refused_message_is_kept_too_and_nobody_waits_for_it(serve, keeper):
    server, client = serve(("END-OF-DATA", Reply(550, "5.7.1", "No")))
    bring(client)
    assert client.reply() == "550 5.7.1 No"
    assert len(server.inbox.refused) == 1
    assert not keeper.tell(DISK_FULL).accepted
    assert client.say("NOOP") == OK
    assert "could not be kept: the disk is full" in str(server.sessions[0].transcript)


@pytest.mark.parametrize("error", [None, DISK_FULL])
def test_what_a_rule_does_behind_its_reply_waits_too(serve, keeper, error):
    server, client = serve(("END-OF-DATA", Reply(250, None, "Mine"), Disconnect()))
    bring(client)
    keeper.tell(error)
    assert client.rest() == (b"250 Mine\r\n" if error is None else NOT_KEPT.encode() + b"\r\n")
    assert len(server.inbox) == (error is None)


def test_a_rule_s_silence_and_delay_hold_when_a_message_is_kept(serve, keeper):
    server, client = serve(("END-OF-DATA", Delay(0.01), NoReply()))
    bring(client, behind=b"NOOP\r\n")
    keeper.tell()
    assert client.reply() == OK
    assert client.say("QUIT").startswith("221")
    assert len(server.inbox) == 1


def test_in_lmtp_it_is_kept_once_before_the_first_recipient_who_has_it_is_told(serve, keeper):
    server, client = serve(protocol="lmtp")
    server.on("END-OF-DATA", Reply(452, "4.2.2", "Full"), argument="ann@example.org")
    bring(client, "ann", "bob", "eve", behind=b"NOOP\r\n")
    assert client.reply() == "452 4.2.2 Full"
    keeper.tell()
    assert client.replies(3) == [CAPTURED, CAPTURED, OK]
    assert server.inbox.one().accepted_recipients == ("bob@example.org", "eve@example.org")


def test_in_lmtp_nobody_is_told_that_it_is_accepted_where_it_could_not_be_kept(serve, keeper):
    server, client = serve(protocol="lmtp")
    bring(client, "ann", "bob")
    keeper.tell(DISK_FULL)
    assert client.replies(2) == [NOT_KEPT, NOT_KEPT]
    assert len(server.inbox) == 0
    assert len(server.inbox.refused) == 1


def test_a_message_in_chunks_is_answered_once_it_is_kept(serve, keeper):
    server, client = serve(offer=("CHUNKING",))
    for line in ("MAIL FROM:<ann@example.org>", "RCPT TO:<bob@example.org>"):
        assert client.say(line).startswith("250")
    client.send(b"BDAT 6 LAST\r\nA: b\r\nNOOP\r\n")
    keeper.tell()
    assert client.reply() == CAPTURED
    assert client.reply() == OK
    assert server.inbox.one().chunks == (6,)


@pytest.mark.parametrize("error", [None, DISK_FULL])
def test_a_client_that_is_gone_when_its_message_is_kept_troubles_nobody(serve, keeper, error):
    server, client = serve()
    bring(client)
    client.socket.close()
    keeper.tell(error)
    server.sessions.wait(1, timeout=BOUND)
    assert len(server.inbox if error is None else server.inbox.refused) == 1


@pytest.mark.parametrize("error", [None, DISK_FULL])
def test_a_server_closes_while_a_message_is_still_being_kept(serve, keeper, error):
    server, client = serve()
    bring(client)
    _, done = keeper.next()
    server.close()
    assert client.rest() == b""
    assert len(server.inbox) == 0
    keeper.loop.call_soon_threadsafe(done, error)
    LOOP_THREAD.catch_up()
    assert len(server.inbox if error is None else server.inbox.refused) == 1
