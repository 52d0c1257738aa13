"""What may help where a client came to nothing: a hint for each known reason, and none where none is known."""

from __future__ import annotations

import contextlib
import smtplib
import socket
import ssl

import pytest

from smtpfix import ANY_USER, Alert, ImapPolicy, Mode, Policy, Pop3Policy, Server, resolving
from smtpfix.record.hints import hints
from smtpfix.record.recorder import RecordedServer, Recorder
from smtpfix.smtp.reading import SMTPReading

TIMEOUT = 10.0


def trust_nobody(server):
    smtplib.SMTP_SSL(server.host, server.port, context=ssl.create_default_context(), timeout=TIMEOUT)


def begin_tls_at_once(server):
    smtplib.SMTP_SSL(server.host, server.port, context=server.ssl_context(), timeout=TIMEOUT)


def say(*lines, greeted=True):
    """Return a client that says some lines and waits for an answer to each."""

    def client(server):
        with socket.create_connection((server.host, server.port), timeout=TIMEOUT) as connected:
            if greeted:
                connected.recv(1000)
            for line in lines:
                connected.sendall(line.encode() + b"\r\n")
                connected.recv(1000)

    return client


def say_in_tls(*lines):
    """Return a client that says some lines inside TLS from the connect on."""

    def client(server):
        context = server.ssl_context()
        where = (server.host, server.port)
        with (
            socket.create_connection(where, timeout=TIMEOUT) as clear,
            context.wrap_socket(clear, server_hostname=server.host) as connected,
        ):
            for line in lines:
                connected.sendall(line.encode() + b"\r\n")
                connected.recv(1000)

    return client


def log_in(server):
    with server.client() as client:
        client.login("ann", "s3cret")


def log_in_without_tls(server):
    with smtplib.SMTP(server.host, server.port, timeout=TIMEOUT) as client:
        client.login("ann", "s3cret")


def deliver(server):
    with server.client() as client:
        client.sendmail("ann@example.org", ["bob@example.org"], b"Subject: x\r\n\r\nx")


CAUSES = [
    (trust_nobody, Policy("implicit-tls"), "(alert unknown_ca): let it trust server.ca_file"),
    (trust_nobody, Policy("implicit-tls", certificate="wildcard-ok"), "let it trust server.ca_file"),
    (begin_tls_at_once, Policy("starttls"), 'use mode "implicit-tls", or have the client connect in clear and say'),
    (say("EHLO x", greeted=False), Policy("implicit-tls"), "have the client use TLS from the start"),
    (say(greeted=False), Policy("implicit-tls"), "the client said nothing, and a server in mode implicit-tls"),
    (say("EHLO x", "STARTTLS", "NOOP"), Policy("starttls"), "the client went on in clear"),
    (say("EHLO x", "STARTTLS"), Policy(), "the client said STARTTLS: in mode plain there is none"),
    (say("EHLO x", "STARTTLS"), Policy("starttls", hide=["STARTTLS"]), "the client said STARTTLS: Policy.hide"),
    (log_in, Policy(), "the client sent no mail; if it needs AUTH: there is none without users"),
    (log_in, Policy("implicit-tls"), "if it needs AUTH: there is none without users"),
    (say("EHLO x", "AUTH PLAIN AGFubgBzM2NyZXQ="), Policy(), "the client said AUTH: there is none without users"),
    (log_in_without_tls, Policy("starttls", users=ANY_USER), "in mode starttls it is offered inside TLS only"),
    (log_in, Policy(users=ANY_USER, hide=["AUTH"]), "if it needs AUTH: Policy.hide"),
    (log_in, Policy(users=ANY_USER, auth_in_clear=False), "Policy.auth_in_clear or Policy.mechanisms"),
    (say("a CAPABILITY", greeted=False), ImapPolicy("implicit-tls"), "from the start (imaplib.IMAP4_SSL)"),
    (say("CAPA", greeted=False), Pop3Policy("implicit-tls"), "from the start (poplib.POP3_SSL)"),
    (say("a STARTTLS"), ImapPolicy(), "the client asked for STARTTLS: in mode plain there is none"),
    (say("CAPA"), Pop3Policy(), "the client left without a login; if it needs STLS: in mode plain there is none"),
    (say("STLS"), Pop3Policy("starttls", hide=["STLS"]), "the client asked for STLS: Pop3Policy.hide leaves it out"),
    (say_in_tls("a STARTTLS"), ImapPolicy("implicit-tls"), "the client said STARTTLS inside TLS"),
    (say("a LOGIN ann s3cret"), ImapPolicy("tls-required"), "have the client say STARTTLS first"),
    (say("QUIT"), Pop3Policy("tls-required"), "if it needs a login: in mode tls-required there is one inside TLS only"),
    (say("a LOGIN ann s3cret"), ImapPolicy(auth_in_clear=False), "ImapPolicy.auth_in_clear leaves it out here"),
    (say("a LOGIN ann s3cret"), ImapPolicy(users=None), "the client asked for a login: there is none without users"),
]


@pytest.mark.parametrize(("client", "policy", "hint"), CAUSES)
def test_a_client_that_came_to_nothing_for_a_known_reason_is_helped(smtp_authority, client, policy, hint):
    with Server(policy, authority=smtp_authority) as server, resolving():
        with contextlib.suppress(smtplib.SMTPException, OSError):
            client(server)
        assert [found for found in server.hints() if hint in found] != [], server.hints()
        with pytest.raises(AssertionError) as caught:
            server.inbox.one()
        assert f"hint: {server.hints()[0]}" in str(caught.value)


@pytest.mark.parametrize(
    ("sender", "name", "is_distrust"),
    [
        ("client", "unknown_ca", True),
        ("client", "bad_certificate", True),
        ("client", "certificate_unknown", True),
        ("client", "handshake_failure", False),
        ("server", "unknown_ca", False),
    ],
)
def test_libraries_say_by_different_alerts_that_they_do_not_know_the_authority(sender, name, is_distrust):
    recorder = Recorder(RecordedServer(Mode.STARTTLS, SMTPReading()), 1, ("127.0.0.1", 4711), ("127.0.0.1", 25))
    recorder.alerts.append(Alert(sender, name, is_fatal=True))
    found = hints((recorder.session(),), Policy("starttls"), SMTPReading())
    assert [f"(alert {name})" in hint for hint in found] == [True] * is_distrust


@pytest.mark.parametrize(
    ("client", "policy"),
    [
        (deliver, Policy()),
        (deliver, Policy("starttls", users=ANY_USER)),
        (log_in, Policy("implicit-tls", users={"ann": "s3cret"})),
        (trust_nobody, Policy("implicit-tls", certificate="self-signed")),
        (say("EHLO x", "QUIT"), Policy("starttls", scenario="strip-ehlo")),
        (say("a LOGIN ann s3cret"), ImapPolicy()),
        (say("a LOGIN ann wrong"), ImapPolicy(users={"ann": "s3cret"})),  # which the record says by itself
        (say("QUIT"), Pop3Policy("starttls")),
        (say("CAPA"), Pop3Policy("starttls", scenario="pop3-strip-capa")),
    ],
)
def test_a_client_that_does_well_or_meets_what_a_scenario_wants_gets_no_hint(smtp_authority, client, policy):
    with Server(policy, authority=smtp_authority) as server:
        with contextlib.suppress(smtplib.SMTPException, OSError):
            client(server)
        assert server.hints() == ()
        with pytest.raises(AssertionError) as caught:
            server.inbox.one(to="eve@example.org")
        assert "hint" not in str(caught.value)


def test_where_nobody_connected_the_address_is_named(start_smtp_server):
    server = start_smtp_server()
    for ask in (
        server.inbox.one,
        server.inbox.attempts,
        lambda: server.inbox.wait(timeout=0),
        lambda: server.sessions.wait(timeout=0),
    ):
        with pytest.raises(AssertionError, match=rf"\nhint: nobody connected to localhost, port {server.port}: "):
            ask()


def test_another_process_does_not_know_names_under_smtpfix_test(start_smtp_server):
    server = start_smtp_server("implicit-tls", certificate="wildcard-ok")
    (hint,) = server.hints()
    assert f"nobody connected to mx.smtpfix.test, port {server.port}" in hint
    assert hint.endswith("known in this process only, while smtpfix.resolving is on: another one connects to 127.0.0.1")


def test_a_server_that_was_never_started_says_so():
    assert Server().hints() == ("the server was never started",)


def test_of_servers_that_share_an_inbox_those_nobody_wanted_are_not_complained_about(start_smtp_server):
    first = start_smtp_server()
    start_smtp_server(inbox=first.inbox)
    deliver(first)
    with pytest.raises(AssertionError) as caught:
        first.inbox.one(to="eve@example.org")
    assert "hint" not in str(caught.value)
