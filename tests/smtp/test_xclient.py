"""XCLIENT: its attributes' syntax, and a session that is another client's from then on."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpfix import InvalidValueError, Reply, SessionEnd, XClient
from smtpfix.smtp.xclient import parse_attributes

pytestmark = pytest.mark.usefixtures("nothing_logged")

GREETING = "220 mx.smtpfix.test ESMTP smtpfix"
USERS = {"ann": "s3cret"}
OFFER = "XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT"
AUTH = "AUTH PLAIN AGFubgBzM2NyZXQ="

GOOD = {
    "NAME=spike.example": {"name": "spike.example"},
    "NAME=[unavailable]": {"name": "[UNAVAILABLE]"},
    "NAME=[TempUnavail]": {"name": "[TEMPUNAVAIL]"},
    "ADDR=192.0.2.7 PORT=25": {"addr": "192.0.2.7", "port": "25"},
    "ADDR=ipv6:2001:DB8::7 port=0": {"addr": "2001:db8::7", "port": "0"},
    "addr=[UNAVAILABLE]": {"addr": "[UNAVAILABLE]", "port": "[UNAVAILABLE]"},
    "PORT=65535": {"port": "65535"},
    "PROTO=esmtp": {"proto": "ESMTP"},
    "HELO=[192.0.2.7]": {"helo": "[192.0.2.7]"},
    "HELO=two+20words+2B1": {"helo": "two words+1"},
    "LOGIN=ann+40example.org": {"login": "ann@example.org"},
    "LOGIN=m+C3+BCller": {"login": "müller"},
    "LOGIN=[UNAVAILABLE]": {"login": "[UNAVAILABLE]"},
    "DESTADDR=198.51.100.7 DESTPORT=587": {"destaddr": "198.51.100.7", "destport": "587"},
}
BAD = {
    "": "attribute=value",
    "NAME": "attribute=value",
    "NAME=": "xtext",
    "NAME=a+2": "xtext",
    "NAME=a+2b": "xtext",
    "HELO=a=b": "xtext",
    "HELO=a+0D+0AQUIT": "1 to 255 characters",
    "HELO=" + "a" * 256: "1 to 255 characters",
    "NAME=[TEMPUNAVAILABLE]": "a host name",
    "NAME=two+20words": "a host name",
    "NAME=" + "a" * 64: "a host name",
    "ADDR=[TEMPUNAVAIL]": "an IPv4 address",
    "ADDR=[192.0.2.7]": "an IPv4 address",
    "ADDR=192.0.2.256": "an IPv4 address",
    "ADDR=2001:db8::7": "an IPv4 address",
    "ADDR=IPV6:192.0.2.7": "an IPv4 address",
    "ADDR=IPV6:fe80::1%lo": "an IPv4 address",
    "DESTADDR=mx.example": "an IPv4 address",
    "PORT=65536": "a decimal number",
    "PORT=-1": "a decimal number",
    "DESTPORT=smtp": "a decimal number",
    "PROTO=LMTP": "SMTP or ESMTP",
    "COLOUR=red": "one of NAME, ADDR, PORT, PROTO, HELO, LOGIN, DESTADDR, DESTPORT",
    "ADDR=192.0.2.7 NAME": "attribute=value",
}


@pytest.fixture
def connect(start_smtp_server, wire):
    """Return a function that starts a server with XCLIENT and says EHLO to it."""

    def connect(mode="plain", **fields):
        server = start_smtp_server(mode, **{"xclient": True, **fields})
        client = wire(server)
        client.hello()
        return server, client

    return connect


# Syntax


@pytest.mark.parametrize(("argument", "expected"), GOOD.items(), ids=GOOD)
def test_attributes_are_decoded(argument, expected):
    assert parse_attributes(argument, XClient()) == XClient(**expected)


@pytest.mark.parametrize(("argument", "expected"), BAD.items(), ids=map(str, range(len(BAD))))
def test_what_is_no_attribute_is_an_error_that_says_what_was_expected(argument, expected):
    with pytest.raises(InvalidValueError, match=f"expected {expected}"):
        parse_attributes(argument, XClient())


@given(st.text(max_size=80) | st.builds("{}={}".format, st.sampled_from(["ADDR", "NAME", "LOGIN"]), st.text()))
def test_any_text_is_attributes_or_an_invalid_value(argument):
    try:
        assert parse_attributes(argument, XClient()) != XClient()
    except InvalidValueError as error:
        assert error.field.startswith("XCLIENT")  # noqa: PT017 - either is right


def test_what_several_commands_say_adds_up_but_a_port_goes_with_its_address():
    first = parse_attributes("NAME=spike.example ADDR=192.0.2.7 PORT=1", XClient())
    assert parse_attributes("HELO=x LOGIN=ann", first) == XClient("spike.example", "192.0.2.7", "1", None, "x", "ann")
    assert parse_attributes("ADDR=192.0.2.8", first) == XClient("spike.example", "192.0.2.8", "[UNAVAILABLE]")


@pytest.mark.parametrize(
    ("argument", "client"),
    [
        ("ADDR=192.0.2.7 PORT=7", ("192.0.2.7", 7)),
        ("ADDR=192.0.2.7", ("192.0.2.7", 0)),
        ("ADDR=[UNAVAILABLE]", ("unknown", 0)),
        ("PORT=7", ("127.0.0.1", 7)),
        ("NAME=spike.example", ("127.0.0.1", 40_000)),
    ],
)
def test_the_client_is_what_is_known_of_it(argument, client):
    assert parse_attributes(argument, XClient()).client(("127.0.0.1", 40_000)) == client


# The session


def test_it_is_offered_and_makes_the_session_another_client_s(connect):
    server, client = connect()
    assert client.hello().endswith(OFFER)
    assert client.say("XCLIENT ADDR=192.0.2.7 PORT=7 NAME=spike.example") == GREETING
    assert client.say("MAIL FROM:<ann@example.org>").startswith("503 ")  # the session begins anew
    assert client.hello().endswith(OFFER)
    assert client.deliver().startswith("250 ")
    session = server.inbox.one().session
    assert session.client == ("192.0.2.7", 7)
    assert session.peer == client.socket.getsockname()
    assert session.xclient == XClient(name="spike.example", addr="192.0.2.7", port="7")
    assert "XCLIENT NAME=spike.example ADDR=192.0.2.7 PORT=7, forwarded by 127.0.0.1 port" in str(session.transcript)


def test_without_the_policy_it_is_neither_offered_nor_taken(connect):
    server, client = connect(xclient=False)
    assert "XCLIENT" not in client.hello()
    assert client.say("XCLIENT ADDR=192.0.2.7") == "550 5.7.0 Insufficient authorization"
    assert client.deliver().startswith("250 ")  # and nothing was forgotten
    session = server.sessions[-1]
    assert (session.client, session.xclient) == (session.peer, None)


@pytest.mark.parametrize("argument", ["", "ADDR=nobody", "COLOUR=red", "HELO=a+00"])
def test_a_malformed_command_is_answered_501_and_changes_nothing(connect, argument):
    server, client = connect()
    assert client.say(f"XCLIENT {argument}").startswith("501 5.5.4 XCLIENT")
    session = server.sessions[-1]
    assert (session.client, session.xclient) == (session.peer, None)
    assert client.deliver().startswith("250 ")


def test_in_a_transaction_it_is_answered_503_and_the_transaction_goes_on(connect):
    server, client = connect()
    client.say("MAIL FROM:<ann@example.org>")
    client.say("RCPT TO:<bob@example.org>")
    assert client.say("XCLIENT ADDR=192.0.2.7").startswith("503 5.5.1 XCLIENT")
    assert client.say("DATA").startswith("354")
    assert client.say("x\r\n.").startswith("250 ")
    assert server.sessions[-1].xclient is None
    assert client.say("XCLIENT ADDR=192.0.2.7") == GREETING  # between transactions it is taken


def test_it_may_come_before_ehlo_and_pipelined(start_smtp_server, wire):
    server = start_smtp_server(xclient=True)
    client = wire(server)
    client.send(b"XCLIENT NAME=spike.example\r\nXCLIENT ADDR=192.0.2.7\r\nEHLO spike.example\r\n")
    assert client.replies(2) == [GREETING, GREETING]
    assert client.reply().startswith("250-")
    assert server.sessions[-1].xclient.name == "spike.example"


@pytest.mark.parametrize(("proto", "takes_parameters"), [("ESMTP", True), ("SMTP", False)])
def test_helo_and_proto_stand_for_the_client_s_own_greeting(connect, proto, takes_parameters):
    server, client = connect()
    assert client.say(f"XCLIENT HELO=spike.example PROTO={proto}") == GREETING
    assert client.say("MAIL FROM:<ann@example.org> SIZE=10").startswith("250 " if takes_parameters else "555 ")
    assert server.sessions[-1].client_name == "spike.example"


def test_login_is_who_the_client_is(connect):
    server, client = connect(users=USERS, require_auth=True)
    assert client.say("MAIL FROM:<ann@example.org>").startswith("530 ")
    assert client.say("XCLIENT LOGIN=bob") == GREETING
    client.hello()
    assert client.say(AUTH).startswith("503 ")
    assert client.deliver().startswith("250 ")
    message = server.inbox.one()
    assert message.user == "bob"
    assert [attempt.accepted for attempt in message.session.auth] == [False]  # XCLIENT is no AUTH


@pytest.mark.parametrize("argument", ["ADDR=192.0.2.7", "LOGIN=[UNAVAILABLE]"])
def test_without_a_login_an_earlier_one_is_forgotten(connect, argument):
    server, client = connect(users=USERS, require_auth=True)
    assert client.say(AUTH).startswith("235 ")
    assert client.say(f"XCLIENT {argument}") == GREETING
    client.hello()
    assert client.say("MAIL FROM:<ann@example.org>").startswith("530 ")
    assert client.say(AUTH).startswith("235 ")
    assert client.deliver().startswith("250 ")
    assert server.inbox.one().user == "ann"


def test_it_needs_tls_where_everything_does_and_tls_stays_on(connect):
    server, client = connect("tls-required")
    assert client.say("XCLIENT ADDR=192.0.2.7").startswith("530 ")
    client.start_tls()
    client.hello()
    assert client.say("XCLIENT ADDR=192.0.2.7") == GREETING
    assert "STARTTLS" not in client.hello()
    assert client.deliver().startswith("250 ")
    message = server.inbox.one()
    assert (message.in_tls, message.session.client[0]) == (True, "192.0.2.7")


def test_the_greeting_is_a_decision_on_the_new_client(connect):
    server, client = connect()
    server.on("GREETING", Reply(421, "4.7.0", "Too many connections"), argument="192.0.2.*")
    assert client.say("XCLIENT ADDR=203.0.113.1") == GREETING
    assert client.say("XCLIENT ADDR=192.0.2.7") == "421 4.7.0 Too many connections"
    assert client.rest() == b""
    assert server.sessions.wait(1)[0].end is SessionEnd.REFUSED


def test_a_rule_may_refuse_the_command_itself(connect):
    server, client = connect()
    server.on("XCLIENT", Reply(550, "5.7.0", "Not you"), argument="*LOGIN=*")
    assert client.say("XCLIENT LOGIN=bob") == "550 5.7.0 Not you"
    assert server.sessions[-1].xclient is None
    assert client.say("XCLIENT ADDR=192.0.2.7") == GREETING


def test_a_rule_s_positive_reply_stands_for_the_greeting(connect):
    server, client = connect()
    server.on("XCLIENT", Reply(250, "2.0.0", "As you say"))
    assert client.say("XCLIENT ADDR=192.0.2.7") == "250 2.0.0 As you say"
    assert client.say("MAIL FROM:<ann@example.org>").startswith("503 ")
    assert server.sessions[-1].client == ("192.0.2.7", 0)


def test_behind_a_proxy_header_the_latest_word_counts(start_smtp_server, wire):
    server = start_smtp_server(xclient=True, proxy_protocol=True)
    client = wire(server, greeted=False)
    client.send(b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 25\r\n")
    assert client.reply() == GREETING
    assert client.say("XCLIENT ADDR=IPV6:2001:db8::7") == GREETING
    session = server.sessions[-1]
    assert (session.client, session.proxy.source) == (("2001:db8::7", 0), ("192.0.2.1", 56324))
    assert session.peer == client.socket.getsockname()


# A client from elsewhere


@pytest.mark.skipif(shutil.which("swaks") is None, reason="swaks is not installed")
def test_swaks_delivers_for_another_client(start_smtp_server):
    server = start_smtp_server(xclient=True)
    options = ["--xclient-addr", "192.0.2.7", "--xclient-port", "7", "--xclient-name", "spike.example"]
    options += ["--xclient-delim", "--xclient-helo", "two words", "--xclient-proto", "ESMTP", "--xclient-login", "ann"]
    options += ["--xclient-destaddr", "198.51.100.7", "--xclient-destport", "25"]
    done = subprocess.run(
        ["swaks", "--server", "127.0.0.1", "--port", str(server.port), "--to", "bob@example.org", *options],
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    message = server.inbox.one(to="bob@example.org")
    assert message.user == "ann"
    assert message.session.client == ("192.0.2.7", 7)
    said = XClient("spike.example", "192.0.2.7", "7", "ESMTP", "two words", "ann", "198.51.100.7", "25")
    assert message.session.xclient == said
