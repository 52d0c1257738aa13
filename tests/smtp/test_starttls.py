"""STARTTLS: everything before it is forgotten, and what does not belong there is recorded as what it was."""

from __future__ import annotations

import base64
import socket
import ssl

import pytest

from smtpfix import ANY_USER, Disconnect, Reply, SessionEnd
from smtpfix.tls.client_hello import looks_like_tls

pytestmark = pytest.mark.usefixtures("nothing_logged")

ANN = "AUTH PLAIN " + base64.b64encode(b"\0ann\0s3cret").decode()
STARTTLS_MODES = pytest.mark.parametrize("mode", ["starttls", "tls-required"])
CLEAR_MODES = pytest.mark.parametrize("mode", ["plain", "starttls", "tls-required"])


def client_hello(context):
    """Return the octets of a ClientHello."""
    outgoing = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost").do_handshake()
    data = outgoing.read()
    assert looks_like_tls(data)
    return data


# Forgotten (RFC 3207 section 4.2)


@STARTTLS_MODES
def test_ehlo_is_forgotten(start_smtp_server, wire, mode):
    client = wire(start_smtp_server(mode))
    client.hello()
    client.start_tls()
    assert client.say("MAIL FROM:<>") == "503 5.5.1 Send EHLO first"
    client.hello()
    assert client.say("MAIL FROM:<>") == "250 2.1.0 Sender OK"


def test_the_envelope_is_forgotten(start_smtp_server, wire):
    server = start_smtp_server("starttls")
    client = wire(server)
    client.hello()
    client.say("MAIL FROM:<eve@example.org>")
    client.say("RCPT TO:<eve@example.org>")
    client.start_tls()
    client.hello()
    assert client.say("DATA") == "503 5.5.1 Send MAIL first"
    client.deliver()
    envelope = server.inbox.one().envelope
    assert (envelope.reverse_path, envelope.recipients) == ("ann@example.org", ("bob@example.org",))


def test_authentication_is_forgotten(start_smtp_server, wire):
    server = start_smtp_server("starttls", users=ANY_USER, auth_in_clear=True, require_auth=True)
    client = wire(server)
    client.hello()
    assert client.say(ANN).startswith("235")
    client.start_tls()
    client.hello()
    assert client.say("MAIL FROM:<>") == "530 5.7.0 Authentication required"
    assert client.say(ANN).startswith("235")
    assert client.deliver().startswith("250")


def test_a_user_from_before_tls_is_not_the_users_of_a_message_in_tls(start_smtp_server, wire):
    server = start_smtp_server("starttls", users=ANY_USER, auth_in_clear=True)
    client = wire(server)
    client.hello()
    client.say(ANN)
    client.start_tls()
    client.hello()
    client.deliver()
    assert server.inbox.one().user is None
    assert [attempt.in_clear for attempt in server.sessions[-1].auth] == [True]


# Injected (CVE-2011-0411 and its kin)


@STARTTLS_MODES
@pytest.mark.parametrize(
    "injected",
    [b"NOOP\r\n", b"EHLO eve\r\nMAIL FROM:<eve@example.org>\r\n", b"unfinished", b"\r\n", b"\0\xff", b"x" * 4000],
)
def test_what_is_injected_behind_starttls_is_discarded_and_recorded(start_smtp_server, wire, mode, injected):
    server = start_smtp_server(mode)
    server.on("NOOP", Reply(250, "2.0.0", "first reply in TLS"))
    client = wire(server)
    client.hello()
    client.send(b"STARTTLS\r\n" + injected)
    assert client.reply() == "220 2.0.0 Ready to start TLS"
    client.handshake()
    assert client.say("NOOP") == "250 2.0.0 first reply in TLS"
    assert client.say("MAIL FROM:<>") == "503 5.5.1 Send EHLO first"
    session = server.sessions[-1]
    assert session.injected == injected
    assert "discarded what came after STARTTLS in clear" in str(session.transcript)
    assert session.tls is not None


@STARTTLS_MODES
def test_an_honest_client_has_nothing_injected(start_smtp_server, wire, mode):
    server = start_smtp_server(mode)
    wire(server).start_tls()
    session = server.sessions[-1]
    assert session.injected == b""
    assert "discarded" not in str(session.transcript)


def test_what_comes_before_starttls_in_the_same_segment_is_answered(start_smtp_server, wire):
    client = wire(start_smtp_server("starttls"))
    client.send(b"NOOP\r\nRSET\r\nSTARTTLS\r\n")
    assert [reply[:3] for reply in client.replies(3)] == ["250", "250", "220"]
    client.handshake()
    assert client.say("NOOP") == "250 2.0.0 OK"


def test_a_client_hello_that_does_not_wait_for_the_220_is_injected_text_too(start_smtp_server, wire):
    server = start_smtp_server("starttls", handshake_timeout=0.1)
    client = wire(server)
    hello = client_hello(server.ssl_context())
    client.send(b"STARTTLS\r\n" + hello)
    assert client.rest() == b"220 2.0.0 Ready to start TLS\r\n"
    session = server.sessions[-1]
    assert session.injected == hello
    assert session.tls_failure.reason == "the TLS handshake was not complete within 0.1 s"


# The wrong protocol


@STARTTLS_MODES
@pytest.mark.parametrize("text", [b"NOOP\r\n", b"EHLO client.example\r\n", b"GET / HTTP/1.1\r\n\r\n", b"\r\n\r\n\r\n"])
def test_clear_text_where_the_handshake_has_to_begin_ends_the_session(start_smtp_server, wire, mode, text):
    server = start_smtp_server(mode)
    client = wire(server)
    assert client.say("STARTTLS").startswith("220")
    client.send(text)
    assert client.rest()[:1] in (b"", b"\x15")  # nothing, or an alert
    session = server.sessions[-1]
    assert session.end is SessionEnd.CLEAR_INSTEAD_OF_TLS
    assert repr(text[:20]).strip("b'") in session.tls_failure.reason
    assert session.tls is None
    assert session.injected == b""


@pytest.mark.parametrize("text", [b"EHLO client.example\r\n", b"GET / HTTP/1.1\r\n\r\n", b"QUIT\r\n"])
def test_clear_text_on_an_implicit_tls_port_ends_the_session(start_smtp_server, wire, text):
    server = start_smtp_server("implicit-tls")
    client = wire(server, greeted=False)
    client.send(text)
    client.rest()
    session = server.sessions[-1]
    assert session.end is SessionEnd.CLEAR_INSTEAD_OF_TLS
    assert session.tls_failure.reason.startswith("the client sent clear text where TLS has to begin: b'")
    assert session.transcript.commands[0].startswith(text.decode().split("\r")[0])


@pytest.mark.parametrize("cut", [1, 2, 3, 5, 10])
def test_a_client_hello_on_a_clear_port_is_recognised_however_it_is_cut(start_smtp_server, wire, cut):
    """No line of a command begins with these two octets, and TLS has no line end to wait for."""
    server = start_smtp_server("plain")
    client = wire(server)
    hello = client_hello(server.ssl_context())
    client.send(hello[:cut])
    assert server.sessions[-1].is_over is (cut >= 2)
    if cut < 2:
        client.send(hello[cut:])
    assert client.rest() == b""
    session = server.sessions[-1]
    assert session.end is SessionEnd.TLS_ON_CLEAR_PORT
    assert session.tls_failure.alert is None


@CLEAR_MODES
def test_a_client_hello_in_the_middle_of_a_clear_session_ends_it(start_smtp_server, wire, mode):
    """As of a client that takes the upgrade for granted."""
    server = start_smtp_server(mode)
    client = wire(server)
    client.hello()
    client.send(client_hello(server.ssl_context()))
    assert client.rest() == b""
    session = server.sessions[-1]
    assert session.end is SessionEnd.TLS_ON_CLEAR_PORT
    assert session.client_hello.server_name == "localhost"


def test_octets_like_a_client_hello_within_a_line_are_no_client_hello(start_smtp_server, wire):
    client = wire(start_smtp_server("plain"))
    assert client.say(b"NOOP \x16\x03\x01") == "500 5.5.2 Control character in the command line"
    client.send(b"NOOP " + b"x" * 5000)
    client.send(b"\x16\x03\x01\r\n")  # this may well be where a read begins
    assert client.reply() == "500 5.5.2 Command line too long"
    assert client.say("NOOP") == "250 2.0.0 OK"


def test_octets_like_a_client_hello_in_tls_are_no_client_hello(start_smtp_server, wire):
    server = start_smtp_server("implicit-tls")
    client = wire(server)
    assert client.say(b"\x16\x03\x01") == "500 5.5.2 Control character in the command line"
    assert client.say("NOOP") == "250 2.0.0 OK"
    assert server.sessions[-1].tls_failure is None


# Handshakes that do not come to an end

SENT_NOTHING = "; it sent nothing, perhaps waiting for a greeting in clear"


@pytest.mark.parametrize("mode", ["starttls", "implicit-tls"])
@pytest.mark.parametrize("part", [0, 1, 20])
def test_a_handshake_that_stalls_is_given_up(start_smtp_server, wire, sweep, mode, part):
    server = start_smtp_server(mode)
    client = wire(server, greeted=mode != "implicit-tls")
    if mode == "starttls":
        client.say("STARTTLS")
    client.send(client_hello(server.ssl_context())[:part])
    sweep(server, 3)
    assert server.sessions[-1].end is None
    sweep(server, 5.1)
    client.rest()
    session = server.sessions[-1]
    assert session.end is SessionEnd.HANDSHAKE_FAILED
    hint = SENT_NOTHING if (mode, part) == ("implicit-tls", 0) else ""
    assert session.tls_failure.reason == f"the TLS handshake was not complete within 5 s{hint}"
    assert session.tls_failure.alert is None


def test_a_handshake_that_completes_is_not_given_up_later(start_smtp_server, wire, sweep):
    server = start_smtp_server("implicit-tls")
    client = wire(server)
    sweep(server, 299)
    assert server.sessions[-1].end is None
    sweep(server, 301)
    assert client.reply() == "421 4.4.2 Idle for too long, closing"
    session = server.sessions[-1]
    assert (session.end, session.tls_failure) == (SessionEnd.TIMEOUT, None)


@pytest.mark.parametrize("mode", ["starttls", "implicit-tls"])
@pytest.mark.parametrize("leave", ["close", "reset"])
@pytest.mark.parametrize("part", [0, 20, None])
def test_a_client_that_leaves_during_the_handshake_is_recorded(start_smtp_server, wire, mode, leave, part):
    server = start_smtp_server(mode)
    client = wire(server, greeted=mode != "implicit-tls")
    if mode == "starttls":
        client.say("STARTTLS")
    client.send(client_hello(server.ssl_context())[:part])
    if part is None:
        assert client.socket.recv(1) == b"\x16"  # the server has answered
    getattr(client, leave)()
    session = server.sessions.wait(1)[0]
    assert session.end is SessionEnd.HANDSHAKE_FAILED
    hint = SENT_NOTHING if (mode, part) == ("implicit-tls", 0) else ""
    assert session.tls_failure.reason == f"the client closed the connection during the TLS handshake{hint}"
    assert (session.client_hello is not None) is (part is None)


def test_garbage_after_the_handshake_ends_the_session_with_an_alert(start_smtp_server, wire):
    server = start_smtp_server("implicit-tls")
    client = wire(server)
    client.socket = socket.socket(fileno=client.socket.detach())  # below TLS
    client.socket.settimeout(10)
    client.send(b"\x17\x03\x03\x00\x20" + b"\0" * 32)
    client.rest()
    session = server.sessions[-1]
    assert session.is_over
    assert [(alert.sender, alert.name) for alert in session.alerts] == [("server", "bad_record_mac")]


# Rules about it


def test_a_rule_can_refuse_starttls(start_smtp_server, wire):
    server = start_smtp_server("starttls")
    server.on("STARTTLS", Reply(454, "4.7.0", "TLS not available due to temporary reason"), times=1)
    client = wire(server)
    client.hello()
    assert client.say("STARTTLS") == "454 4.7.0 TLS not available due to temporary reason"
    assert client.say("MAIL FROM:<>") == "250 2.1.0 Sender OK"  # nothing is forgotten
    client.start_tls()
    assert client.say("NOOP") == "250 2.0.0 OK"


def test_a_rule_can_close_at_starttls(start_smtp_server, wire):
    server = start_smtp_server("starttls")
    server.on("STARTTLS", Disconnect())
    client = wire(server)
    assert client.say("STARTTLS") == ""
    assert server.sessions[-1].end is SessionEnd.DISCONNECTED
