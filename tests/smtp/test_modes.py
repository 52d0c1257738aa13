"""The four modes: what each offers and answers, before TLS and in it."""

from __future__ import annotations

import re

import pytest

from smtpfix import ANY_USER, Mode, Policy
from smtpfix.smtp.keywords import EXTENSIONS

pytestmark = pytest.mark.usefixtures("nothing_logged")

USERS = {"ann": "s3cret"}
ANN = "AUTH PLAIN AGFubgBzM2NyZXQ="
CLEAR, TLS = "in clear", "in TLS"

NOT_IMPLEMENTED = "502 5.5.1 Command not implemented"
TLS_FIRST = "530 5.7.0 Must issue a STARTTLS command first"
ENCRYPT_FIRST = "538 5.7.11 Encryption required for requested authentication mechanism"
AUTHENTICATED = "235 2.7.0 Authentication successful"

STATES = [
    ("plain", CLEAR),
    ("starttls", CLEAR),
    ("starttls", TLS),
    ("tls-required", CLEAR),
    ("tls-required", TLS),
    ("implicit-tls", TLS),
]
"""Every state a session can be in, by mode."""


@pytest.fixture
def enter(start_smtp_server, wire):
    """Return a function that brings a new client into one of `STATES`, without EHLO there."""

    def enter(mode, where, **fields):
        client = wire(start_smtp_server(mode, **fields))
        if where == TLS and mode != "implicit-tls":
            client.start_tls()
        return client

    return enter


def keywords(ehlo):
    """Return the EHLO keywords of a reply, with their parameters."""
    return [line[4:] for line in ehlo.split("\n")[1:]]


# The EHLO list


@pytest.mark.parametrize("users", [None, USERS], ids=["nobody", "users"])
@pytest.mark.parametrize(("mode", "where"), STATES)
def test_ehlo_offers_exactly_what_the_mode_has_here(enter, mode, where, users):
    expected = ["PIPELINING", "SIZE 33554432", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES"]
    if where == CLEAR and mode != "plain":
        expected.append("STARTTLS")
    if users and (where == TLS or mode == "plain"):
        expected.append("AUTH PLAIN LOGIN")
    expected.append("HELP")
    reply = enter(mode, where, users=users).hello()
    assert reply.split("\n")[0] == "250-mx.smtpfix.test"
    assert keywords(reply) == expected


@pytest.mark.parametrize(
    ("mode", "where", "extension"),
    [
        (mode, where, extension)
        for mode, where in STATES
        for extension in EXTENSIONS
        if extension != "STARTTLS" or where == CLEAR or mode == "implicit-tls"  # there is no other way into TLS
    ],
)
def test_an_extension_that_the_policy_hides_is_the_only_one_missing(enter, mode, where, extension):
    everything = keywords(enter(mode, where, users=USERS).hello())
    left = keywords(enter(mode, where, users=USERS, hide={extension}).hello())
    assert left == [line for line in everything if line.split()[0] != extension]


@pytest.mark.parametrize(("mode", "where"), STATES)
def test_ehlo_is_answered_in_one_write(enter, mode, where):
    """TLS shows it: a read returns one record at the most, and one write makes one record."""
    client = enter(mode, where, users=USERS)
    client.send(b"EHLO client.example\r\n")
    data = client.socket.recv(65_536)
    assert data.startswith(b"250-mx.smtpfix.test\r\n")
    assert data.endswith(b"\r\n250 HELP\r\n")


@pytest.mark.parametrize(("limit", "keyword"), [(1000, "SIZE 1000"), (None, "SIZE 0")])
def test_the_size_limit_is_offered_and_0_means_none(enter, limit, keyword):
    assert keyword in keywords(enter("plain", CLEAR, size_limit=limit).hello())


@pytest.mark.parametrize(
    ("hide", "line", "reply"),
    [
        ((), "NOOP", "250 2.0.0 OK"),
        (("ENHANCEDSTATUSCODES",), "NOOP", "250 OK"),
        ((), "HELP", re.compile(r"214 2\.0\.0 Commands: .*\bVRFY\b.*")),
        (("HELP",), "HELP", NOT_IMPLEMENTED),
        ((), ANN, AUTHENTICATED),
        (("AUTH",), ANN, NOT_IMPLEMENTED),
        ((), "MAIL FROM:<a@example.org> SIZE=10", "250 2.1.0 Sender OK"),
        (("SIZE",), "MAIL FROM:<a@example.org> SIZE=10", "555 5.5.4 Parameter SIZE not recognized or not implemented"),
        ((), "MAIL FROM:<a@example.org> BODY=8BITMIME", "250 2.1.0 Sender OK"),
        (
            ("8BITMIME",),
            "MAIL FROM:<a@example.org> BODY=8BITMIME",
            "555 5.5.4 Parameter BODY not recognized or not implemented",
        ),
        ((), "MAIL FROM:<a@example.org> SMTPUTF8", "250 2.1.0 Sender OK"),
        (
            ("SMTPUTF8",),
            "MAIL FROM:<a@example.org> SMTPUTF8",
            "555 5.5.4 Parameter SMTPUTF8 not recognized or not implemented",
        ),
    ],
)
def test_what_is_hidden_is_not_there_either(enter, hide, line, reply):
    client = enter("plain", CLEAR, users=USERS, hide=hide)
    client.hello()
    answer = client.say(line)
    assert reply.fullmatch(answer) if isinstance(reply, re.Pattern) else answer == reply


@pytest.mark.parametrize("mode", ["starttls", "tls-required"])
def test_a_hidden_starttls_is_not_implemented(enter, mode):
    assert enter(mode, CLEAR, hide={"STARTTLS"}).say("STARTTLS") == NOT_IMPLEMENTED
    assert enter(mode, CLEAR).say("STARTTLS") == "220 2.0.0 Ready to start TLS"


@pytest.mark.parametrize(("mode", "where"), STATES)
def test_every_reply_has_an_enhanced_status_code_but_those_to_ehlo_and_helo(enter, mode, where):
    """RFC 2034 section 4: all 2yz, 4yz and 5yz replies, except the greeting and those to EHLO and HELO."""
    client = enter(mode, where, users=USERS)
    lines = ["NOOP", "VRFY bob", "EXPN all", "RSET", "HELP", "MAIL FROM:<>", "RCPT TO:<bob@example.org>", "RSET"]
    lines += ["DATA", "AUTH X", "BDAT 1 LAST", "WHAT", "MAIL", "RCPT", "NOOP \x01", "QUIT"]
    assert keywords(client.hello())
    for line in lines:
        assert re.match(r"([245])\d\d \1\.\d+\.\d+ \S", client.say(line)), line


def test_replies_to_ehlo_and_helo_have_no_enhanced_status_code_also_when_they_refuse(enter):
    client = enter("plain", CLEAR)
    assert [client.say(line) for line in ("EHLO", "HELO", "HELO client.example")] == [
        "501 Syntax: EHLO hostname",
        "501 Syntax: HELO hostname",
        "250 mx.smtpfix.test",
    ]


ALWAYS = {"DATA", "EHLO", "HELO", "HELP", "MAIL", "NOOP", "QUIT", "RCPT", "RSET", "VRFY"}


@pytest.mark.parametrize(
    ("fields", "others"),
    [
        ({}, set()),
        ({"users": {}, "mechanisms": ["PLAIN"]}, {"AUTH"}),
        ({"mode": "starttls"}, {"STARTTLS"}),
        ({"mode": "starttls", "hide": ["STARTTLS"]}, set()),
        ({"offer": ["CHUNKING"], "xclient": True}, {"BDAT", "XCLIENT"}),
    ],
)
def test_help_lists_the_commands_that_there_are_and_no_others(start_smtp_server, wire, fields, others):
    client = wire(start_smtp_server(**fields))
    said = client.say("HELP").removeprefix("214 2.0.0 Commands: ").split(" ")
    assert said == sorted(ALWAYS | others)
    for verb in {*said} - {"QUIT", "STARTTLS"}:
        assert not client.say(verb).startswith(("500", "502")), verb


def test_help_inside_tls_does_not_list_the_way_into_it(start_smtp_server, wire):
    client = wire(start_smtp_server("starttls"))
    client.hello()
    client.start_tls()
    assert client.say("HELP").removeprefix("214 2.0.0 Commands: ").split(" ") == sorted(ALWAYS)


# Commands before TLS and in it

EVERYTHING = {
    "EHLO client.example": "250",
    "NOOP": "250 2.0.0 OK",
    "HELO client.example": "250 mx.smtpfix.test",
    "RSET": "250 2.0.0 OK",
    "HELP": "214",
    "VRFY bob@example.org": "252 2.0.0",
    "EXPN all": "502 5.5.1",
    "MAIL FROM:<ann@example.org>": "250 2.1.0 Sender OK",
    "RCPT TO:<bob@example.org>": "250 2.1.5 Recipient OK",
    "DATA": "354",
}
"""A session's commands where everything works, each with the beginning of its reply."""


@pytest.mark.parametrize(("mode", "where"), [state for state in STATES if state != ("tls-required", CLEAR)])
def test_everything_works_where_the_mode_does_not_want_tls_first(enter, mode, where):
    client = enter(mode, where)
    for line, reply in EVERYTHING.items():
        assert client.say(line).startswith(reply), line
    assert client.say(".") == "250 2.0.0 OK, message captured"
    assert client.say("QUIT") == "221 2.0.0 Bye"


@pytest.mark.parametrize("line", [*EVERYTHING, "AUTH PLAIN", ANN, "BDAT 1", "ETRN x", "WHAT"])
def test_tls_required_answers_530_in_clear_to_everything_else(enter, line):
    """RFC 3207 section 4: everything but EHLO, STARTTLS, NOOP and QUIT."""
    client = enter("tls-required", CLEAR, users=USERS)
    reply = client.say(line)
    if line.startswith(("EHLO", "NOOP")):
        assert reply.startswith("250")
    else:
        assert reply == TLS_FIRST
    assert client.say("QUIT") == "221 2.0.0 Bye"


@pytest.mark.parametrize(
    ("mode", "where", "reply"),
    [
        ("plain", CLEAR, NOT_IMPLEMENTED),
        ("starttls", CLEAR, "220 2.0.0 Ready to start TLS"),
        ("tls-required", CLEAR, "220 2.0.0 Ready to start TLS"),
        ("starttls", TLS, "503 5.5.1 TLS is already active"),
        ("tls-required", TLS, "503 5.5.1 TLS is already active"),
        ("implicit-tls", TLS, "503 5.5.1 TLS is already active"),
    ],
)
def test_starttls(enter, mode, where, reply):
    client = enter(mode, where)
    client.hello()
    assert client.say("STARTTLS") == reply


def test_starttls_takes_no_argument(enter):
    client = enter("starttls", CLEAR)
    assert client.say("STARTTLS now") == "501 5.5.4 This command takes no argument"
    client.start_tls()
    assert client.say("NOOP") == "250 2.0.0 OK"


# AUTH


@pytest.mark.parametrize(
    ("mode", "where", "auth_in_clear", "reply"),
    [
        ("plain", CLEAR, None, AUTHENTICATED),
        ("plain", CLEAR, True, AUTHENTICATED),
        ("plain", CLEAR, False, ENCRYPT_FIRST),
        ("starttls", CLEAR, None, ENCRYPT_FIRST),
        ("starttls", CLEAR, False, ENCRYPT_FIRST),
        ("starttls", CLEAR, True, AUTHENTICATED),
        ("starttls", TLS, None, AUTHENTICATED),
        ("starttls", TLS, False, AUTHENTICATED),
        ("tls-required", CLEAR, None, TLS_FIRST),
        ("tls-required", CLEAR, False, TLS_FIRST),
        ("tls-required", CLEAR, True, AUTHENTICATED),
        ("tls-required", TLS, None, AUTHENTICATED),
        ("tls-required", TLS, False, AUTHENTICATED),
        ("implicit-tls", TLS, None, AUTHENTICATED),
        ("implicit-tls", TLS, False, AUTHENTICATED),
    ],
)
def test_auth_is_offered_where_it_is_accepted_and_only_there(enter, mode, where, auth_in_clear, reply):
    client = enter(mode, where, users=USERS, auth_in_clear=auth_in_clear)
    assert ("AUTH PLAIN LOGIN" in keywords(client.hello())) is (reply == AUTHENTICATED)
    assert client.say(ANN) == reply


@pytest.mark.parametrize(("mode", "where"), STATES)
def test_without_users_there_is_no_auth(enter, mode, where):
    client = enter(mode, where)
    client.hello()
    assert client.say(ANN) == (TLS_FIRST if (mode, where) == ("tls-required", CLEAR) else NOT_IMPLEMENTED)


@pytest.mark.parametrize(("mode", "where"), [state for state in STATES if state != ("tls-required", CLEAR)])
def test_require_auth_holds_mail_back_until_somebody_has_logged_in(enter, mode, where):
    client = enter(mode, where, users=ANY_USER, require_auth=True, auth_in_clear=True)
    client.hello()
    for line in ("MAIL FROM:<>", "RCPT TO:<bob@example.org>", "DATA", "VRFY bob", "EXPN all"):
        assert client.say(line) == "530 5.7.0 Authentication required", line
    for line in ("NOOP", "RSET", "HELP", "EHLO again.example"):  # RFC 4954 section 6 exempts them
        assert client.say(line)[0] == "2", line
    assert client.say(ANN) == AUTHENTICATED
    assert client.say("MAIL FROM:<>") == "250 2.1.0 Sender OK"


def test_tls_is_asked_for_before_authentication(enter):
    """Whoever has to do both is told about TLS first, lest the password goes out in clear."""
    client = enter("tls-required", CLEAR, users=ANY_USER, require_auth=True)
    client.hello()
    assert client.say("MAIL FROM:<>") == TLS_FIRST
    client.start_tls()
    client.hello()
    assert client.say("MAIL FROM:<>") == "530 5.7.0 Authentication required"


@pytest.mark.parametrize("mode", list(Mode))
def test_client_connects_as_the_mode_wants_it(start_smtp_server, mode):
    """`Server.client` is in TLS wherever the mode knows TLS."""
    server = start_smtp_server(mode)
    with server.client() as client:
        client.noop()
    session = server.sessions[-1]
    assert session.mode is mode
    started_by = {Mode.PLAIN: None, Mode.IMPLICIT_TLS: "connect"}.get(mode, "STARTTLS")
    assert (session.tls and session.tls.started_by) == started_by


def test_client_stays_in_clear_where_starttls_is_hidden(start_smtp_server):
    server = start_smtp_server(Policy("starttls", hide={"STARTTLS"}))
    with server.client() as client:
        client.noop()
    assert server.sessions[-1].tls is None
