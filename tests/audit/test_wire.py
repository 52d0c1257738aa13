"""What goes over the wire in clear is kept, whatever the server makes of it, and scanned for the secret."""

from __future__ import annotations

import base64
import socket
import ssl

import pytest

from smtpfix import Disconnect, Policy, Raw, Reply, Stall
from smtpfix.audit.auditing import declare
from smtpfix.audit.evidence import gather
from smtpfix.audit.runner import settle
from smtpfix.audit.wire import WireServer, outside_tls
from smtpfix.policy.catalogue_files import load_scenario

pytestmark = pytest.mark.usefixtures("nothing_logged")

PASSWORD = "s3cret-word"
DECLARED = declare("starttls-required", "pki", ("ann", PASSWORD))
BLOB = base64.b64encode(f"\0ann\0{PASSWORD}".encode())
BESIDE = "in clear, the password in base64, in what the server did not take for a login"


def heard(server, client):
    """Return what the server knows once the client has said everything."""
    client.socket.shutdown(socket.SHUT_WR)
    settle(server)
    return gather(server, DECLARED, load_scenario("good"))


@pytest.fixture
def serve():
    """Return a function that starts a server which keeps what it hears."""
    servers = []

    def start(*rules, **fields):
        server = WireServer(Policy(fields.pop("mode", "starttls"), users={"ann": PASSWORD}, **fields))
        servers.append(server.start())
        for stage, *actions in rules:
            server.on(stage, *actions)
        return server

    yield start
    for server in servers:
        server.close()


def test_a_login_in_clear_is_a_leak_also_where_it_is_refused(serve, wire):
    server = serve()
    client = wire(server)
    client.hello()
    assert client.say(b"AUTH PLAIN " + BLOB)[:3] == "538"
    evidence = heard(server, client)
    assert evidence.leaks == ("in clear, AUTH PLAIN as 'ann' with the password",)
    assert not evidence.leaks_beside_auth
    assert evidence.login_in_clear


def test_a_login_inside_tls_is_none(serve, wire):
    server = serve()
    client = wire(server)
    client.hello()
    client.start_tls()
    client.hello()
    assert client.say(b"AUTH PLAIN " + BLOB)[:3] == "235"
    evidence = heard(server, client)
    assert evidence.leaks == ()
    assert not evidence.login_in_clear
    assert evidence.secret_in_tls
    assert evidence.spoke_in_tls == ("AUTH",)


def test_a_digest_in_clear_is_told_and_is_no_leak(serve, wire):
    server = serve(mechanisms=("CRAM-MD5",), auth_in_clear=True)
    client = wire(server)
    client.hello()
    assert client.say("AUTH CRAM-MD5")[:3] == "334"
    client.say(base64.b64encode(b"ann " + b"0" * 32))
    evidence = heard(server, client)
    assert evidence.leaks == ()
    assert "a digest that a weak one can be guessed from" in evidence.digests[0]
    assert evidence.digests[0] in evidence.facts


@pytest.mark.parametrize(
    "rule",
    [
        ("EHLO", Stall()),
        ("EHLO", Reply(421, None, "Closing")),
        ("EHLO", Disconnect()),
        ("STARTTLS", Raw(b"220 go\r\n"), Disconnect()),
    ],
    ids=["stalled", "closed by 421", "disconnected", "closed after 220"],
)
def test_what_comes_when_the_server_has_stopped_listening_is_heard(serve, wire, rule):
    server = serve(rule)
    client = wire(server)
    for line in (b"EHLO client.example", b"STARTTLS", b"AUTH PLAIN " + BLOB):
        client.send(line + b"\r\n")
        len(server.sessions)  # the server has caught up
    assert BESIDE in heard(server, client).leaks


def test_what_comes_in_place_of_a_handshake_is_heard(serve, wire):
    for fields in ({}, {"scenario": "fake220-stall"}):
        server = serve(**fields)
        client = wire(server)
        client.hello()
        client.send(b"STARTTLS\r\n")
        client.reply()
        client.send(b"AUTH PLAIN " + BLOB + b"\r\n")
        assert BESIDE in heard(server, client).leaks


def test_what_is_injected_behind_starttls_is_heard(serve, wire):
    server = serve()
    client = wire(server)
    client.hello()
    client.send(b"STARTTLS\r\nAUTH PLAIN " + BLOB + b"\r\n")
    client.reply()
    client.handshake()
    client.hello()
    evidence = heard(server, client)
    assert BESIDE in evidence.leaks
    assert any("after STARTTLS" in fact for fact in evidence.facts)


def test_lines_that_are_too_long_are_heard_to_their_end(serve, wire):
    server = serve()
    client = wire(server)
    assert client.say(b"NOOP " + b"x" * 9000 + BLOB)[:3] == "500"
    assert BESIDE in heard(server, client).leaks


def test_a_transcript_that_is_cut_hides_nothing(serve, wire):
    server = serve(max_events=8, auth_in_clear=True)
    client = wire(server)
    client.hello()
    for at in range(20):
        client.say(b"NOOP " + PASSWORD.encode() if at == 10 else b"NOOP")
    assert not any(PASSWORD in line for line in server.sessions[-1].transcript.commands)
    assert heard(server, client).leaks == (
        "in clear, the password as it is, in what the server did not take for a login",
    )


def test_the_password_in_a_message_in_clear_is_a_leak_and_inside_tls_a_remark(serve, wire):
    content = b"Subject: x\r\n\r\n" + PASSWORD.encode() + b"\r\n"
    server = serve()
    client = wire(server)
    client.hello()
    client.deliver(content)
    evidence = heard(server, client)
    assert evidence.leaks == ("in clear, the password in the message, as it is",)
    assert evidence.envelope_in_clear
    assert evidence.content_in_clear
    assert evidence.delivered_in_clear
    server = serve(mode="implicit-tls")
    client = wire(server)
    client.hello()
    client.deliver(content)
    evidence = heard(server, client)
    assert evidence.leaks == ()
    assert "the message contains the password, for anyone who gets it" in evidence.facts
    assert not evidence.envelope_in_clear
    assert not evidence.content_in_clear


def test_a_cipher_that_encrypts_nothing_leaves_everything_in_clear(serve, wire):
    for scenario, leaks in (("null-cipher", True), ("tls12-only", False)):
        server = serve(mode="implicit-tls", scenario=scenario)
        client = wire(server, greeted=False)
        context = server.ssl_context()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("ALL:eNULL:@SECLEVEL=0")
        client.handshake(context)
        client.reply()
        client.hello()
        assert client.say(b"AUTH PLAIN " + BLOB)[:3] == "235"
        assert bool(heard(server, client).leaks) is leaks


def test_another_password_than_the_declared_one_is_remarked(serve, wire):
    server = serve(mode="implicit-tls")
    client = wire(server)
    client.hello()
    client.say(b"AUTH PLAIN " + base64.b64encode(b"\0ann\0wrong-one"))
    assert "it logged in with a password other than the declared one" in heard(server, client).facts


HELLO = b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"
RECORD = b"\x17\x03\x03\x00\x03abc"


@pytest.mark.parametrize(
    ("octets", "clear"),
    [
        (b"EHLO x\r\n", b"EHLO x\r\n"),
        (HELLO + RECORD, b""),
        (b"STARTTLS\r\n" + HELLO + RECORD, b"STARTTLS\r\n"),
        (b"a\r\n" + HELLO + b"in clear again", b"a\r\nin clear again"),
        (HELLO + b"x" + HELLO + RECORD + b"y", b"xy"),
        (HELLO + RECORD[:-1], b""),
        (b"", b""),
    ],
)
def test_clear_octets_are_told_from_tls_records(octets, clear):
    assert outside_tls(octets) == clear
