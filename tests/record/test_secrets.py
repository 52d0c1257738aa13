"""Credentials in reports: whatever way they come, a transcript tells of them and does not show them."""

from __future__ import annotations

import base64

import pytest

from smtpfix import Policy, Reply
from smtpfix.safe_text import excerpt
from smtpfix.smtp.credentials import carries_credential

SECRET = base64.b64encode(b"\0ann\0s3cret").decode()


def shown(server):
    session = server.sessions[-1]
    return f"{session}\n{session.transcript}\n{session.tls_failure}\n{session.auth}"


@pytest.mark.parametrize(
    "line",
    [
        f"AUTH PLAIN {SECRET}",
        f"auth plain   {SECRET}",
        f" AUTH PLAIN {SECRET}",
        f"AUTH PLAIN\t{SECRET}",
        f"AUTH\tPLAIN\t{SECRET}",
        f"AUTH PLAIN {SECRET} {SECRET}",
        f"AUTH WHAT {SECRET}",
        f"AUTH PLAIN {SECRET * 1000}",
    ],
    ids=repr,
)
@pytest.mark.parametrize("mode", ["plain", "starttls", "tls-required"])
def test_a_line_that_carries_a_credential_is_not_shown(start_smtp_server, wire, mode, line):
    server = start_smtp_server(mode, users={"ann": "s3cret"})
    client = wire(server)
    client.say("EHLO client.example")
    client.say(line)
    assert SECRET not in shown(server)
    assert "s3cret" not in shown(server)
    assert "octets)" in shown(server)


@pytest.mark.parametrize("line", ["AUTH PLAIN", "NOOP AUTH", "MAIL FROM:<auth@example.org>", f"NOOP {SECRET}"])
def test_a_line_that_carries_none_is_shown(start_smtp_server, wire, line):
    server = start_smtp_server(users={"ann": "s3cret"})
    client = wire(server)
    client.say("EHLO client.example")
    client.say(line)
    assert f"C: {line}" in shown(server)


def test_answers_to_challenges_are_not_shown_and_a_cancellation_is(start_smtp_server, wire):
    server = start_smtp_server(users={"ann": "s3cret"})
    client = wire(server)
    client.say("EHLO client.example")
    for line in ("AUTH LOGIN", "YW5u", "czNjcmV0"):
        client.say(line)
    assert "czNjcmV0" not in shown(server)
    assert server.sessions[-1].auth[0].password == "s3cret"
    client = wire(server)
    client.say("EHLO client.example")
    for line in ("AUTH LOGIN", "*"):
        client.say(line)
    assert "C: *" in shown(server)


def test_a_credential_behind_starttls_in_clear_is_kept_and_not_shown(start_smtp_server, wire):
    server = start_smtp_server(Policy("starttls", users={"ann": "s3cret"}))
    client = wire(server)
    client.say("EHLO client.example")
    client.say(f"STARTTLS\r\nEHLO x\r\nAUTH PLAIN {SECRET}")
    assert SECRET not in shown(server)
    assert SECRET.encode() in server.sessions[-1].injected


def test_a_credential_in_clear_instead_of_a_handshake_is_not_shown(start_smtp_server, wire):
    server = start_smtp_server(Policy("starttls", users={"ann": "s3cret"}))
    client = wire(server)
    client.say("EHLO client.example")
    client.say("STARTTLS")
    client.send(f"AUTH PLAIN {SECRET}\r\n".encode())
    assert server.sessions[-1].end == "clear text instead of TLS"
    assert SECRET not in shown(server)


@pytest.mark.parametrize(
    ("octets", "carries"),
    [
        (b"AUTH PLAIN x", True),
        (b"EHLO a\r\nauth plain x\r\n", True),
        (b"AUTH PLAIN", False),
        (b"AUTH", False),
        (b"NOOP AUTH PLAIN x", False),
        (b"", False),
    ],
)
def test_an_excerpt_shows_stray_octets_unless_there_is_a_credential_in_them(octets, carries):
    assert carries_credential(octets) is carries
    assert excerpt(octets, 4, is_secret=carries_credential(octets)) == (
        f"…({len(octets)} octets)" if carries else repr(octets[:4])
    )


@pytest.mark.parametrize("word", ["CONNECT", "END-OF-DATA", "UNKNOWN", "*"])
def test_a_client_cannot_reach_a_stage_by_its_name(start_smtp_server, wire, word):
    server = start_smtp_server()
    client = wire(server)
    connect = server.on("CONNECT", Reply(554, None, "No"), times=1)
    end = server.on("END-OF-DATA", Reply(451, "4.3.0", "No"), times=1)
    assert client.say(f"{word} host:443").startswith("500 5.5.1")
    assert (server.fired(connect), server.fired(end)) == (0, 0)
    server.on("*", Reply(450, "4.0.0", "Any"))
    assert client.say(f"{word} host:443") == "450 4.0.0 Any"
