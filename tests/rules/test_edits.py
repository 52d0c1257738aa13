"""Before, After, Edit and Cut: what they make of an answer on the wire, and that the command takes effect anyway."""

import socket
import ssl

import pytest

from smtpfix import (
    ANY_USER,
    After,
    Before,
    Cut,
    Delay,
    Disconnect,
    Edit,
    InvalidValueError,
    Reply,
    Rule,
    SessionEnd,
    Stall,
)
from smtpfix.rules.text import parse_rule
from smtpfix.smtp.language import LANGUAGE

pytestmark = pytest.mark.usefixtures("nothing_logged")


@pytest.fixture
def server(start_smtp_server):
    return start_smtp_server(users=ANY_USER)


def said(server, *lines, octets=None):
    """Return what the server answers to some lines, the greeting left out, up to so many octets or the end."""
    with socket.create_connection((server.host, server.port), 10) as client, client.makefile("rb") as answers:
        answers.readline()
        client.sendall(b"".join(line + b"\r\n" for line in lines))
        return answers.read(octets) if octets else answers.read()


@pytest.mark.parametrize(
    ("actions", "answer"),
    [
        ((Before(b"250-more\r\n"),), b"250-more\r\n250 2.0.0 OK\r\n"),
        ((After(b"250 next\r\n"),), b"250 2.0.0 OK\r\n250 next\r\n"),
        ((Edit(rb"(\d)\.0\.0 ", rb"\1.1.1 "),), b"250 2.1.1 OK\r\n"),
        ((Edit(b"^", b"- "),), b"- 250 2.0.0 OK\r\n- "),
        ((Before(b"x"), Edit(b"x25", b""), After(b"y")), b"0 2.0.0 OK\r\ny"),
        ((Edit(b"later", b"now"), Reply(450, "4.2.1", "later")), b"450 4.2.1 now\r\n"),
        ((Cut(5),), b"250 2"),
        ((Cut(0),), b""),
        ((Delay(0), Cut(5), Delay(0)), b"250 2"),
    ],
)
def test_an_answer_goes_out_changed_and_the_next_one_as_it_is(server, actions, answer):
    server.on("NOOP", *actions, times=1)
    assert said(server, b"NOOP", b"NOOP", b"QUIT") == answer + b"250 2.0.0 OK\r\n221 2.0.0 Bye\r\n"


def test_the_command_takes_effect_whatever_the_client_is_told(server):
    server.on("MAIL", Edit(rb"250 [^\r]*", b"550 no"))
    answers = said(server, b"EHLO a", b"MAIL FROM:<a@b.example>", b"RCPT TO:<c@d.example>", b"QUIT")
    assert b"\r\n550 no\r\n250 2.1.5 " in answers


def test_what_stands_behind_a_cut_follows_it(server):
    server.on("EHLO", Cut(7), Disconnect())
    assert said(server, b"EHLO a", b"NOOP") == b"250-mx."
    assert server.sessions[0].end is SessionEnd.DISCONNECTED
    assert server.sessions[0].transcript.replies[-1] == "250-mx."
    server.off()
    server.on("EHLO", Cut(7), Stall())
    assert said(server, b"EHLO a", octets=7) == b"250-mx."


def test_octets_behind_the_answer_to_starttls_are_in_clear(start_smtp_server):
    server = start_smtp_server("starttls")
    server.on("STARTTLS", After(b"250 injected\r\n"))
    with socket.create_connection((server.host, server.port), 10) as client:
        answers = client.makefile("rb")
        answers.readline()
        client.sendall(b"STARTTLS\r\n")
        assert (answers.readline()[:3], answers.readline()) == (b"220", b"250 injected\r\n")
        answers.close()
        with server.ssl_context().wrap_socket(client, server_hostname="localhost") as inside:
            inside.sendall(b"NOOP\r\n")
            assert inside.recv(100) == b"250 2.0.0 OK\r\n"
            assert isinstance(inside, ssl.SSLSocket)


def test_a_greeting_can_be_changed_and_each_reply_of_lmtp(start_smtp_server):
    server = start_smtp_server(protocol="lmtp")
    server.on("GREETING", Edit(b"LMTP", b"other"))
    server.on("END-OF-DATA", Edit(b"OK", b"fine"), argument="*bob*")
    answers = said(
        server,
        *(b"LHLO a", b"MAIL FROM:<a@b.example>", b"RCPT TO:<ann@d.example>", b"RCPT TO:<bob@d.example>", b"DATA"),
        *(b"Subject: Hi", b"", b".", b"QUIT"),
    )
    assert [line[:14] for line in answers.split(b"\r\n")[-4:-2]] == [b"250 2.0.0 OK, ", b"250 2.0.0 fine"]
    assert "other" in server.sessions[0].transcript.replies[0]


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: Before("text"), r"Before.octets: expected octets, as bytes"),
        (lambda: After(b""), r"After.octets: expected octets, as bytes, one or more"),
        (lambda: Edit(b"(", b""), r"Edit.pattern: expected a regular expression \(missing \)"),
        (lambda: Edit(b"a", rb"\1"), r"Edit.by: expected octets, with .1 for a group \(invalid group"),
        (lambda: Edit(b"a", None), r"Edit.by: expected octets, as bytes"),
        (lambda: Cut(-1), r"Cut.octets: expected a whole number of octets, 0 or more, got -1"),
        (lambda: Rule("NOOP", (Cut(1), Cut(2))), "one Cut at the most"),
        (lambda: Rule("HANDSHAKE", (Cut(1),)), "no reply in it, to give or to change"),
        (lambda: parse_rule("CONTENT: cut 1", LANGUAGE), "END-OF-DATA is where one is"),
        (lambda: parse_rule("NOOP: edit a b", LANGUAGE), 'edit "PATTERN" "OCTETS"'),
    ],
)
def test_what_makes_no_sense_is_an_error_that_says_what_would(make, expected):
    with pytest.raises(InvalidValueError, match=expected):
        make()
