"""A POP3 session, command by command: RFC 1939, 2449, 2595, 3206, 5034 and 6856, and what the record says of it."""

from __future__ import annotations

import base64
import hashlib
import poplib
import re
import socket
import ssl

import pytest

from smtpfix import (
    ANY_USER,
    Cut,
    Delay,
    Disconnect,
    Edit,
    Elsewhere,
    Err,
    InvalidValueError,
    Ok,
    Pop3Policy,
    SessionEnd,
    Stall,
)
from smtpfix.mail.mailbox import Entry
from smtpfix.pop3.language import LANGUAGE
from smtpfix.pop3.maildrop import Maildrop
from smtpfix.rules.text import parse_rule

pytestmark = pytest.mark.usefixtures("nothing_logged")

USERS = {"ann": "s3cret", "bob": " hunter2"}
ONE = b"Subject: one\r\n\r\nHello\r\n.dot\r\n"
TWO = b"Subject: two\r\n\r\n1\r\n2\r\n3"
WAIT = 10.0


class Talk:
    """A connection on which a test says lines and reads answers."""

    def __init__(self, server):
        self._server = server
        self.socket = socket.create_connection((server.host, server.port), WAIT)
        self._file = self.socket.makefile("rb")
        self.greeting = "" if server.mode == "implicit-tls" else self.line()

    def line(self):
        return self._file.readline().decode().removesuffix("\r\n")

    def send(self, octets):
        self.socket.sendall(octets)

    def say(self, text, *, more=False):
        """Say a line and return the answer's line; of a longer one a list, the final dot left out."""
        self.send(text.encode() + b"\r\n")
        first = self.line()
        if not more or not first.startswith("+OK"):
            return first
        return [first, *iter(self.line, ".")]

    def log_in(self, user="ann", password="s3cret"):  # noqa: S107 - a test's
        assert self.say(f"USER {user}").startswith("+OK")
        return self.say(f"PASS {password}")

    def begin_tls(self):
        self._file.close()
        self.socket = self._server.ssl_context().wrap_socket(self.socket, server_hostname="localhost")
        self._file = self.socket.makefile("rb")

    def rest(self):
        return self._file.read()

    def close(self):
        self._file.close()
        self.socket.close()


@pytest.fixture
def talk():
    talks = []

    def connect(server):
        talks.append(Talk(server))
        return talks[-1]

    yield connect
    for one in talks:
        one.close()


@pytest.fixture
def server(start_pop3_server):
    server = start_pop3_server(users=USERS)
    server.put(ONE, to="ann")
    server.put(TWO, to="ann")
    return server


@pytest.fixture
def client(server, talk):
    client = talk(server)
    assert client.log_in() == "+OK 2 messages"
    return client


# The maildrop


def test_what_is_there_is_counted_listed_and_identified(client, server):
    assert client.say("STAT") == f"+OK 2 {len(ONE) + len(TWO)}"
    assert client.say("LIST", more=True)[1:] == [f"1 {len(ONE)}", f"2 {len(TWO)}"]
    assert client.say("LIST 2") == f"+OK 2 {len(TWO)}"
    validity = server.account("ann").inbox.uidvalidity
    assert client.say("UIDL", more=True)[1:] == [f"1 {validity:x}.1", f"2 {validity:x}.2"]
    assert client.say("uidl 1") == f"+OK 1 {validity:x}.1"
    assert client.say("NOOP") == "+OK"


def test_stat_looks_at_no_message_again(server, monkeypatch):
    maildrop = Maildrop(server.account("ann"), source=None)
    monkeypatch.setattr(Entry, "size", property(lambda _: pytest.fail("it looks at a message")))
    assert maildrop.perform("STAT", "").text == f"2 {len(ONE) + len(TWO)}"


def test_a_message_comes_whole_with_its_dots_doubled_and_its_last_line_ended(client, server):
    client.send(b"RETR 1\r\nRETR 2\r\nQUIT\r\n")
    first = f"+OK {len(ONE)} octets\r\n".encode() + ONE.replace(b"\r\n.", b"\r\n..") + b".\r\n"
    second = f"+OK {len(TWO)} octets\r\n".encode() + TWO + b"\r\n.\r\n"
    assert client.rest() == first + second + b"+OK bye\r\n"
    assert [(one.uid, one.octets, one.in_tls) for one in server.sessions[0].retrievals] == [
        (1, len(ONE), False),
        (2, len(TWO), False),
    ]
    assert [stored.retrievals for stored in server.account("ann").inbox] == [1, 1]


@pytest.mark.parametrize(
    ("content", "octets"),
    [
        (b".\r\n", b"..\r\n.\r\n"),
        (b"..a\r\n.\r\nb", b"...a\r\n..\r\nb\r\n.\r\n"),
        (b"", b".\r\n"),
        (b"a\n.\n", b"a\r\n..\r\n.\r\n"),
    ],
)
def test_dots_are_doubled_wherever_a_line_begins_with_one(start_pop3_server, talk, content, octets):
    server = start_pop3_server()
    server.put(content)
    client = talk(server)
    client.log_in()
    client.send(b"RETR 1\r\nQUIT\r\n")
    assert client.rest().partition(b"\r\n")[2] == octets + b"+OK bye\r\n"


@pytest.mark.parametrize(
    ("count", "body", "is_whole"),
    [("0", [], False), ("2", ["1", "2"], False), ("3", ["1", "2", "3"], True), ("99999999", ["1", "2", "3"], True)],
)
def test_top_has_the_headers_and_so_many_lines(client, server, count, body, is_whole):
    assert client.say(f"TOP 2 {count}", more=True)[1:] == ["Subject: two", "", *body]
    assert server.account("ann").one(subject="two").retrievals == is_whole


def test_deleting_is_undone_by_rset_and_done_by_quit_alone(client, server, talk):
    assert client.say("DELE 1") == "+OK message 1 goes at QUIT"
    assert client.say("DELE 1") == "-ERR message 1 is deleted"
    assert client.say("RETR 1") == "-ERR message 1 is deleted"
    assert client.say("STAT") == f"+OK 1 {len(TWO)}"
    assert client.say("LIST", more=True)[1:] == [f"2 {len(TWO)}"]
    assert client.say("RSET") == "+OK 2 messages"
    assert client.say("STAT") == f"+OK 2 {len(ONE) + len(TWO)}"
    client.say("DELE 1")
    client.close()
    again = talk(server)
    assert again.log_in() == "+OK 2 messages"
    again.say("DELE 2")
    assert again.say("QUIT") == "+OK bye"
    assert [stored.subject for stored in server.account("ann").inbox] == ["one"]
    assert [(gone.how, gone.session.number, gone.stored.subject) for gone in server.account("ann").lost] == [
        ("QUIT", 2, "two")
    ]


def test_what_comes_during_a_session_is_there_in_the_next_one(client, server, talk):
    server.put(b"Subject: three\r\n\r\n", to="ann")
    assert client.say("STAT").startswith("+OK 2 ")
    first = client.say("UIDL 1")
    client.say("QUIT")
    again = talk(server)
    assert again.log_in() == "+OK 3 messages"
    assert again.say("UIDL 1") == first


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("RETR", "-ERR expected the number of a message"),
        ("RETR x", "-ERR expected the number of a message"),
        ("RETR -1", "-ERR expected the number of a message"),
        ("RETR " + "9" * 200, "-ERR expected the number of a message"),
        ("RETR 0", "-ERR there is no such message: there are 2"),
        ("LIST 3", "-ERR there is no such message: there are 2"),
        ("UIDL 9", "-ERR there is no such message: there are 2"),
        ("TOP 1", "-ERR expected the numbers of a message and of lines: TOP 1 10"),
        ("TOP 9 1", "-ERR there is no such message: there are 2"),
        ("STAT 1", "-ERR this command takes no argument"),
        ("NOOP x", "-ERR this command takes no argument"),
        ("QUIT now", "-ERR this command takes no argument"),
        ("EHLO a", "-ERR unknown command"),
        ("", "-ERR unknown command"),
        ("USER bob", "-ERR you have logged in already"),
        ("UTF8", "-ERR you have logged in already"),
        ("STLS", "-ERR no STLS here"),
        ("APOP ann 0", "-ERR unknown command"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words_that_say_why(client, line, answer):
    assert client.say(line) == answer
    assert client.say("STAT").startswith("+OK 2 ")


@pytest.mark.parametrize("verb", ["STAT", "LIST", "UIDL", "RETR 1", "TOP 1 1", "DELE 1", "RSET", "NOOP"])
def test_the_maildrop_is_there_after_a_login(server, talk, verb):
    assert talk(server).say(verb) == "-ERR log in first"


# Logging in


def test_a_login_needs_the_right_password_and_may_be_tried_again(server, talk):
    client = talk(server)
    assert client.say("PASS s3cret") == "-ERR USER first"
    assert client.log_in(password="wrong") == "-ERR [AUTH] wrong user or password"
    assert client.log_in("nobody", "s3cret") == "-ERR [AUTH] wrong user or password"
    assert client.say("PASS s3cret") == "-ERR USER first"
    assert client.log_in("bob", " hunter2") == "+OK 0 messages"  # a password may begin with a space
    assert [(one.mechanism, one.user, one.password, one.accepted) for one in server.sessions[0].auth] == [
        ("USER", "", "s3cret", False),
        ("USER", "ann", "wrong", False),
        ("USER", "nobody", "s3cret", False),
        ("USER", "", "s3cret", False),
        ("USER", "bob", " hunter2", True),
    ]


def test_by_default_everybody_may_log_in_and_find_what_is_for_everybody(pop3_server, talk):
    pop3_server.put(ONE, to="carol")
    assert talk(pop3_server).log_in("carol", "x") == "+OK 1 messages"
    assert talk(pop3_server).log_in("dave", "x") == "+OK 0 messages"


def test_apop_compares_a_digest_of_the_greetings_timestamp(start_pop3_server, talk):
    server = start_pop3_server(users=USERS, apop=True)
    client = talk(server)
    stamp = re.search("<.*>", client.greeting)[0]

    def digest(password):
        return hashlib.md5((stamp + password).encode(), usedforsecurity=False).hexdigest()

    assert client.say(f"APOP ann {digest('wrong')}") == "-ERR [AUTH] wrong user or password"
    assert client.say("APOP ann") == "-ERR APOP takes a user and a digest"
    assert client.say(f"APOP ann {digest('s3cret')}") == "+OK 0 messages"
    assert [(one.mechanism, one.user, one.accepted) for one in server.sessions[0].auth] == [
        ("APOP", "ann", False),
        ("APOP", None, False),
        ("APOP", "ann", True),
    ]
    assert digest("s3cret") not in str(server.sessions[0].transcript)
    assert talk(server).greeting != client.greeting


def encoded(text):
    return base64.b64encode(text.encode()).decode()


def test_auth_takes_an_initial_response_or_asks_for_one(server, talk):
    client = talk(server)
    assert client.say("AUTH", more=True) == ["+OK mechanisms", "PLAIN", "LOGIN"]
    assert client.say("AUTH NTLM") == "-ERR no such mechanism here"
    assert client.say("AUTH PLAIN") == "+ "
    assert client.say("*") == "-ERR the login was cancelled"
    assert client.say("AUTH LOGIN") == f"+ {encoded('Username:')}"
    assert client.say(encoded("ann")) == f"+ {encoded('Password:')}"
    assert client.say("&") == "-ERR expected base64"
    assert client.say("AUTH PLAIN " + encoded("\0ann\0wrong")) == "-ERR [AUTH] wrong user or password"
    assert client.say("AUTH PLAIN " + encoded("\0ann\0s3cret")) == "+OK 2 messages"
    assert client.say("AUTH PLAIN") == "-ERR you have logged in already"
    assert client.say("STAT").startswith("+OK 2")
    assert encoded("\0ann\0s3cret") not in str(server.sessions[0].transcript)


def test_one_session_has_the_maildrop_until_it_is_gone(server, client, talk):
    other = talk(server)
    assert other.log_in() == "-ERR [IN-USE] another session has the maildrop"
    assert other.say("STAT") == "-ERR log in first"
    assert other.log_in("bob", " hunter2") == "+OK 0 messages"
    client.close()
    assert server.sessions[0].end is SessionEnd.CLIENT_CLOSED
    third = talk(server)
    assert third.log_in() == "+OK 2 messages"
    third.say("QUIT")
    assert talk(server).log_in() == "+OK 2 messages"


def test_a_policy_without_locks_lets_everybody_in(start_pop3_server, talk):
    server = start_pop3_server(locks=False)
    assert talk(server).log_in() == talk(server).log_in() == "+OK 0 messages"


def test_a_user_has_to_wait_between_two_logins(start_pop3_server, talk):
    server = start_pop3_server(login_delay=900)
    first = talk(server)
    assert "LOGIN-DELAY 900" in first.say("CAPA", more=True)
    assert first.log_in() == "+OK 0 messages"
    first.say("QUIT")
    assert talk(server).log_in().startswith("-ERR [LOGIN-DELAY]")
    server.advance(899)
    assert talk(server).log_in("bob").startswith("+OK")
    assert talk(server).log_in().startswith("-ERR [LOGIN-DELAY]")
    server.advance(2)
    assert talk(server).log_in().startswith("+OK")


# Capabilities and languages


def test_capa_lists_what_there_is_in_each_state(start_pop3_server, talk):
    server = start_pop3_server("tls-required", users=USERS)
    client = talk(server)
    everywhere = ["TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING", "EXPIRE NEVER", "LANG", "UTF8"]
    assert client.say("CAPA", more=True)[1:] == [*everywhere, "STLS"]
    assert client.say("STLS") == "+OK begin TLS"
    client.begin_tls()
    inside = [*everywhere[:2], "USER", "SASL PLAIN LOGIN", *everywhere[2:]]
    assert client.say("CAPA", more=True)[1:] == inside
    assert client.say("STLS") == "-ERR TLS is on already"
    client.log_in()
    assert client.say("CAPA", more=True)[1:] == inside


def test_what_is_hidden_is_not_there(start_pop3_server, talk):
    server = start_pop3_server("starttls", hide=("UIDL", "top", "STLS", "RESP-CODES", "SASL"), users=USERS, expire=7)
    client = talk(server)
    assert client.say("CAPA", more=True)[1:] == ["USER", "AUTH-RESP-CODE", "PIPELINING", "EXPIRE 7", "LANG", "UTF8"]
    assert client.say("STLS") == "-ERR unknown command"
    assert client.log_in(password="wrong") == "-ERR wrong user or password"
    client.log_in()
    assert client.say("UIDL") == client.say("TOP 1 1") == "-ERR unknown command"


def test_utf8_and_languages(server, talk):
    client = talk(server)
    assert client.say("UTF8") == "+OK UTF-8 from here on"
    assert client.say("LANG", more=True)[1:] == ["en English", "i-default English"]
    assert client.say("LANG EN") == "+OK en English from here on"
    assert client.say("LANG *") == "+OK i-default English from here on"
    assert client.say("LANG xx") == "-ERR there is no such language here"
    assert client.log_in("änn", "grün") == "-ERR [AUTH] wrong user or password"
    assert server.sessions[0].auth[0].user == "änn"


# TLS


def test_a_password_outside_tls_is_refused_where_tls_is_required_and_on_record(start_pop3_server, talk):
    server = start_pop3_server("tls-required", users=USERS)
    client = talk(server)
    assert client.say("USER ann") == "-ERR [AUTH] no login outside TLS: STLS first"
    assert client.say("PASS s3cret") == "-ERR [AUTH] no login outside TLS: STLS first"
    assert client.say("AUTH PLAIN " + encoded("\0ann\0s3cret")) == "-ERR [AUTH] no login outside TLS: STLS first"
    assert [(one.user, one.password, one.in_clear, one.accepted) for one in server.sessions[0].auth] == [
        ("ann", "s3cret", True, False)
    ] * 2
    assert [one.id for one in server.sessions[0].violations] == ["pass-after-refused-user"]


def test_what_comes_behind_stls_in_clear_is_discarded(start_pop3_server, talk):
    server = start_pop3_server("starttls", users=USERS)
    client = talk(server)
    client.send(b"USER ann\r\n")
    client.line()
    client.send(b"STLS\r\nPASS s3cret\r\n")
    assert client.line() == "+OK begin TLS"
    client.begin_tls()
    assert client.say("PASS s3cret") == "-ERR USER first"  # what was said before TLS is forgotten
    assert client.log_in() == "+OK 0 messages"
    session = server.sessions[0]
    assert session.injected == b"PASS s3cret\r\n"
    assert "s3cret" not in str(session.transcript)
    assert [one.id for one in session.violations] == ["command-after-stls"]
    assert session.tls.started_by == "STLS"


def test_clients_of_the_wrong_mode_are_told_apart(start_pop3_server):
    clear, tls = start_pop3_server("starttls"), start_pop3_server("implicit-tls")
    with pytest.raises(ssl.SSLError):
        poplib.POP3_SSL(clear.host, clear.port, timeout=WAIT)
    assert clear.sessions[0].end is SessionEnd.TLS_ON_CLEAR_PORT
    with socket.create_connection((tls.host, tls.port), WAIT) as client:
        client.sendall(b"CAPA\r\n")
        client.recv(100)
    assert tls.sessions[0].end is SessionEnd.CLEAR_INSTEAD_OF_TLS


# Rules


def test_rules_answer_cut_and_break_off(server, talk):
    server.on("PASS", Err("locked", "IN-USE"), times=1)
    server.on("STAT", Ok("9 999"))
    server.on("RETR", Cut(30), Disconnect(), argument="2")
    client = talk(server)
    assert client.log_in() == "-ERR [IN-USE] locked"
    assert server.sessions[0].auth[0].accepted is False
    assert client.log_in() == "+OK 2 messages"
    assert client.say("STAT") == "+OK 9 999"
    client.send(b"RETR 2\r\n")
    assert client.rest() == b"+OK 23 octets\r\nSubject: two\r\n\r"[:30]
    assert server.account("ann").one(subject="two").retrievals == 0
    assert not server.sessions[0].retrievals


@pytest.mark.parametrize(("by", "seen"), [(b".", ["Hello"]), (b"..lot", ["Hello", "..lot"])])
def test_a_line_that_a_rule_makes_a_dot_ends_the_message_for_its_reader(server, client, by, seen):
    server.on("RETR", Edit(rb"^\.\.dot", by))
    assert client.say("RETR 1", more=True)[3:] == seen
    is_whole = by != b"."
    if not is_whole:
        assert client.line() == "."  # the one at the end, which answers nothing
    client.say("DELE 1")
    client.say("QUIT")
    assert bool(server.sessions[0].retrievals) is is_whole
    assert bool(server.account("ann").lost) is not is_whole


def test_the_account_changes_as_by_another_session_and_this_one_keeps_its_snapshot(server, client, talk):
    server.on("STAT", Elsewhere("expunge 1"), Elsewhere(r"flag 2 \Seen"), Elsewhere("deliver"), Elsewhere("expunge 9"))
    assert client.say("STAT").startswith("+OK 2 ")
    assert client.say("RETR 1", more=True)[1:3] == ["Subject: one", ""]
    account = server.account("ann")
    assert [(stored.subject, stored.is_seen) for stored in account.inbox] == [
        ("two", True),
        ("Delivered meanwhile", False),
    ]
    assert [(gone.how, gone.session) for gone in account.gone] == [("EXPUNGE", None)]
    server.off()
    server.on("NOOP", Elsewhere(r"unflag 2 \Seen"))
    client.say("DELE 1")
    client.say("NOOP")
    client.say("QUIT")
    assert [(stored.uid, stored.is_seen) for stored in account.inbox] == [(2, False), (3, False)]
    server.on("USER", Elsewhere("expunge 1"))
    assert talk(server).log_in() == "+OK 2 messages"  # nobody has logged in when USER comes


@pytest.mark.parametrize(
    ("text", "action"),
    [
        (r'STAT: elsewhere "flag 1 \Seen"', Elsewhere(r"flag 1 \Seen")),
        (r'STAT: elsewhere "flag 1 \\Seen"', Elsewhere(r"flag 1 \Seen")),
        ('STAT: elsewhere "deliver"', Elsewhere("deliver")),
        ("PASS: -ERR [IN-USE] locked", Err("locked", "IN-USE")),
        ("STAT: +OK 1 2", Ok("1 2")),
        ("retr 2 x1: -err", Err()),
        ("AUTH-ANSWER: stall", Stall()),
    ],
)
def test_replies_are_written_as_text(text, action):
    assert parse_rule(text.replace(" x1", ""), LANGUAGE).actions == (action,)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: Err("a\r\nb"), r"Err.text: expected text of one line"),
        (lambda: Ok("a", "[x]"), r"Ok.code: expected a response code without its brackets"),
        (lambda: Elsewhere("expunge 0"), r"Elsewhere.change: expected 'deliver', 'expunge 1'"),
        (lambda: Elsewhere(r"flag 1 \Sean"), r"Elsewhere.change: expected 'deliver', 'expunge 1'"),
        (lambda: parse_rule("MAIL: -ERR no", LANGUAGE), "a stage first, one of CONNECT"),
        (lambda: parse_rule("RETR: 550 no", LANGUAGE), r"a reply such as -ERR \[IN-USE\] locked"),
        (lambda: Pop3Policy(hide=("IMAP",)), "Pop3Policy.hide: there is no 'IMAP'; there are TOP"),
        (lambda: Pop3Policy(login_delay=-1), "Pop3Policy.login_delay: expected seconds"),
        (lambda: Pop3Policy(expire="soon"), "Pop3Policy.expire: expected a whole number from 0 up"),
        (lambda: Pop3Policy(apop=1), "Pop3Policy.apop: expected True or False"),
        (lambda: Pop3Policy(apop=True, users=lambda *_: True), "apop: expected False where .* a function"),
        (lambda: Pop3Policy(greeting="a\n"), "Pop3Policy.greeting: expected ASCII text of one line"),
    ],
)
def test_what_cannot_be_is_an_error_that_says_what_can(make, expected):
    with pytest.raises(InvalidValueError, match=expected):
        make()


# The record


def test_no_form_of_a_session_has_a_secret_however_it_was_said(server, talk):
    client = talk(server)
    for line in ("PASS s3cret", "PAS s3cret", "PASSWORD s3cret", "LOGIN ann s3cret", "AUTH s3cret", "APOP ann s3cret"):
        client.say(line)
    client.say("USER ann")
    client.say("s3cret")  # the verb forgotten
    client.say("PSAS s3cret")
    client.send(b"PASS " + b"s3cret" * 1_000 + b"\r\n")
    assert client.line() == "-ERR the line is too long"
    session = server.sessions[0]
    assert "s3cret" not in f"{session} {session.transcript} {session.transcript.events} {session!r}"
    assert "command line" not in str(session)


def test_what_a_client_does_wrong_is_on_record(server, talk):
    client = talk(server)
    client.send(b"NOOP\r\nNOOP\r\n")
    client.line(), client.line()
    client.say("NOOP " + "x" * 300)
    client.send(b"NOOP\n")
    client.line()
    client.close()
    assert [one.id for one in server.sessions[0].violations] == [
        "line-over-255",
        "command-bare-line-feed",
        "pipelined-unoffered",
        "no-quit",
    ]


def test_a_careful_client_has_no_violations_and_may_pipeline(server, talk):
    client = talk(server)
    client.say("CAPA", more=True)
    client.send(b"USER ann\r\nPASS s3cret\r\nSTAT\r\nQUIT\r\n")
    assert client.rest().endswith(b"+OK bye\r\n")
    session = server.sessions[0]
    assert not session.violations
    assert session.pipelined == (("USER ann", "PASS …(6 octets)", "STAT", "QUIT"),)
    assert session.transcript.replies[1] == "+OK what there is"
    assert session.refusal is None
    assert str(session).endswith("accepted, in clear; 0 retrievals; quit")


def test_a_silent_client_is_cut_off_without_a_word_and_nothing_is_deleted(server, client, sweep):
    client.say("DELE 1")
    sweep(server, 601)
    assert client.rest() == b""
    assert server.sessions[0].end is SessionEnd.TIMEOUT
    assert len(server.account("ann").inbox) == 2


def test_a_list_of_thousands_is_sent_whole_and_recorded_by_its_size(start_pop3_server, talk):
    server = start_pop3_server(users=ANY_USER)
    for _ in range(1_000):
        server.put(b"Subject: Hi\r\n\r\n", to="ann")
    client = talk(server)
    client.log_in()
    assert len(client.say("UIDL", more=True)) == 1_001
    assert "and a list of" in str(server.sessions[0].transcript)


def test_a_client_that_does_not_read_holds_nobody_up(start_pop3_server, talk):
    server = start_pop3_server(locks=False)
    server.put(b"Subject: Hi\r\n\r\n" + b"x" * 1_000_000 + b"\r\n", to="ann")
    greedy = talk(server)
    greedy.log_in()
    greedy.send(b"RETR 1\r\n" * 1_000)
    other = talk(server)
    other.log_in()
    assert len(other.say("RETR 1", more=True)) == 4
    assert len(server.sessions[0].retrievals) < 100


# Around the session


def test_a_client_that_does_not_wait_for_the_greeting_is_on_record(start_pop3_server):
    server = start_pop3_server()
    server.on("GREETING", Delay(0.05), Ok("hello"))
    with socket.create_connection((server.host, server.port), WAIT) as client:
        client.sendall(b"CAPA\r\nQUIT\r\n")
        heard = client.makefile("rb").read()
    assert heard.startswith(b"+OK hello\r\n+OK what there is\r\n")
    assert "spoke-before-greeting" in [one.id for one in server.sessions[0].violations]


def test_behind_a_proxy_the_session_is_the_client_s(start_pop3_server):
    server = start_pop3_server(proxy_protocol=True)
    with socket.create_connection((server.host, server.port), WAIT) as client:
        client.sendall(b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 110\r\nQUIT\r\n")
        assert client.makefile("rb").read() == b"+OK mx.smtpfix.test POP3 smtpfix\r\n+OK bye\r\n"
    assert server.sessions[0].client == ("192.0.2.1", 56324)
    with pytest.raises(InvalidValueError, match="poplib sends no PROXY protocol header"):
        server.client()


def test_a_scenario_of_ones_own_says_whose_it_is(start_pop3_server, tmp_path, talk):
    file = tmp_path / "mine.toml"
    head = 'summary = "STAT is wrong"\nexpected = "accept"\nstandard = "RFC 1939 section 5"\ngroup = "delivery"\n'
    file.write_text(head + 'protocol = "pop3"\nrules = ["STAT: +OK 9 9"]\n[policy]\nhide = ["UIDL"]\n')
    client = talk(start_pop3_server(scenario=file))
    client.log_in()
    assert (client.say("STAT"), client.say("UIDL")) == ("+OK 9 9", "-ERR unknown command")
    file.write_text(head + 'protocol = "pop3"\n[policy]\nsize_limit = 7\n')
    with pytest.raises(InvalidValueError, match=r"mine.toml, \[policy\]: .*hide"):
        start_pop3_server(scenario=file)
    file.write_text(head + 'protocol = "nntp"\n')
    with pytest.raises(InvalidValueError, match=r"mine\.toml: protocol: expected one of smtp, imap, pop3, got 'nntp'"):
        start_pop3_server(scenario=file)


def test_a_rule_that_ends_a_login_leaves_it_on_record(server, talk):
    server.on("PASS", Disconnect(), times=1)
    server.on("AUTH-ANSWER", Err("later", "SYS/TEMP"), argument="LOGIN 2")
    client = talk(server)
    client.say("USER ann")
    client.send(b"PASS s3cret\r\n")
    assert client.rest() == b""
    other = talk(server)
    other.say("AUTH LOGIN")
    other.say(encoded("ann"))
    assert other.say(encoded("s3cret")) == "-ERR [SYS/TEMP] later"
    assert [(one.password, one.accepted) for session in server.sessions for one in session.auth] == [
        ("s3cret", False),
        ("s3cret", False),
    ]
