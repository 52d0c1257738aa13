"""POP3 by clients that say anything: every line is answered, the record is whole, and mail goes at QUIT alone."""

from __future__ import annotations

import re
import socket

import fuzzing
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from smtpfix import Pop3Policy, Server
from smtpfix.mail.accounts import Accounts
from smtpfix.pop3.credentials import credential_at
from smtpfix.pop3.language import TRANSACTION
from smtpfix.pop3.maildrop import Maildrop
from smtpfix.pop3.replies import Reply, stuffed

pytestmark = pytest.mark.slow

SEEDS = fuzzing.octets("pop3")
LINES = [line for seed in SEEDS.values() for line in seed.split(b"\r\n")]
PIECES = [
    *(b"\r\n", b"\r", b"\n", b" ", b"\0", b"*\r\n", b"=\r\n", b"AUTH LOGIN\r\n", b"USER ann\r\n", b"PASS s3cret\r\n"),
    *(b"QUIT\r\n", b"RSET\r\n", b"DELE 1\r\n", b"RETR 1\r\n", b"TOP 1 1\r\n", b"9" * 400, b"x" * 600, b"CAPA\r\n"),
]
SECRET = "s3cret"
POLICY = Pop3Policy(users={"ann": SECRET}, apop=True, locks=False, command_limit=512)
ONE = b"Subject: one\r\n\r\n.\r\n..\r\nHello\r\n"
TWO = b"no headers"


@pytest.fixture(scope="module")
def server():
    with Server(POLICY) as server:
        yield server


def said(server, octets, places):
    """Send octets in pieces and return all that the server says, and the session's record."""
    with socket.create_connection(("127.0.0.1", server.port), 10) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for piece in fuzzing.cut(octets, places):
                client.sendall(piece)
                assert server.sessions  # for which the server catches up
            client.shutdown(socket.SHUT_WR)
        except OSError:  # it has said QUIT
            pass
        heard = b""
        try:
            while more := client.recv(65_536):
                heard += more
        except ConnectionError:
            pass
    return heard, server.sessions.wait(1, timeout=10)[-1]


def prepared(server):
    server.inbox.clear()
    server.put(ONE, to="ann")
    server.put(TWO, to="ann")


@fuzzing.budget(60)
@given(st.data())
def test_whatever_is_said_is_answered_and_on_record(server, data):
    octets = data.draw(fuzzing.mutants(list(SEEDS.values()), PIECES))
    places = data.draw(st.lists(st.integers(0, 200), max_size=3))
    prepared(server)
    heard, session = said(server, octets, places)
    assert heard.startswith(b"+OK ")
    assert session.is_over
    assert {line[:3] for line in (one.encode() for one in session.transcript.replies)} <= {b"+OK", b"-ER", b"+ ", b"+"}
    for text in (session, session.refusal, *session.violations, *session.transcript.commands, *session.pipelined):
        assert str(text).isprintable()
    account = server.account("ann")
    assert len(account.inbox) + len(account.gone) == 2
    assert all(gone.how == "QUIT" for gone in account.gone)
    assert account.inbox or b"QUIT" in octets.upper()


@pytest.mark.parametrize("name", SEEDS)
def test_the_same_octets_have_the_same_answers_however_they_are_cut_up(server, name):
    answers = set()
    for places in ([], [1, 2, 3, 5, 8, 13, 21, 34, 55], range(1, 200)):
        prepared(server)
        heard, session = said(server, SEEDS[name], places)
        uidless = re.sub(
            rb"(?m)^(1|2|\+OK 1) [0-9a-f]+\.[0-9a-f]+", rb"\1 uid", re.sub(rb"<[^>]*>", b"", heard, count=1)
        )
        answers.add((uidless, tuple(event.kind for event in session.transcript), session.auth, len(session.retrievals)))
    assert len(answers) == 1


@fuzzing.budget(300)
@given(st.sampled_from(TRANSACTION), st.text(max_size=8) | st.integers().map(str) | st.just("1 1"))
def test_whatever_a_command_is_given_the_answer_is_a_reply(verb, argument):
    accounts = Accounts(10**6)
    accounts.admit(("ann",))
    accounts.put(ONE, to="ann")
    reply = Maildrop(accounts["ann"], None).perform(verb, argument)
    assert isinstance(reply, Reply)
    assert reply.sign in ("+OK", "-ERR")
    assert reply.body is None or reply.body.endswith(b".\r\n")
    assert reply.line().count(b"\n") == 1


@fuzzing.budget(300)
@given(st.lists(st.sampled_from([b".", b"..", b"\r\n", b"x", b"\r", b".\r\n"])).map(b"".join))
def test_what_is_stuffed_comes_out_as_it_was_and_ends_once(content):
    octets = stuffed(content)
    lines = octets.split(b"\r\n")
    assert lines[-2:] == [b".", b""]
    assert b"." not in lines[:-2]
    read = b"".join(line.removeprefix(b".") + b"\r\n" for line in lines[:-2])
    assert read in (content, content + b"\r\n")


@fuzzing.budget(500)
@example(b"PASS  s3cret")
@given(st.binary(max_size=40) | fuzzing.mutants(LINES, PIECES))
def test_where_a_credential_is_said_to_begin_there_is_something(line):
    at = credential_at(line)
    assert 0 <= at <= len(line)
