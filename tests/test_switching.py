"""`Server.switch`: who connects after it meets the new policy, who is connected goes on with the old one."""

from __future__ import annotations

import contextlib
import imaplib
import poplib
import smtplib
import socket
import ssl
import threading
import warnings

import pytest

from smtpfix import (
    Authority,
    ExtraMissing,
    ImapPolicy,
    InvalidValueError,
    Policy,
    Pop3Policy,
    Reply,
    Server,
    UnknownScenario,
    resolving,
)

pytestmark = pytest.mark.usefixtures("nothing_logged")

USERS = {"ann": "s3cret"}


@pytest.fixture
def running(smtp_authority):
    """Start servers of one authority."""
    opened = []

    def start(policy):
        opened.append(Server(policy, authority=smtp_authority).start())
        return opened[-1]

    yield start
    for server in opened:
        server.close()


def plain_client(server, kind=smtplib.SMTP):
    return kind("localhost", server.port, timeout=10)


def upgrade(server, client):
    """Begin TLS as a careful client of the authority does; return what the server's certificate says."""
    context = server.authority.client_context()
    if isinstance(client, smtplib.SMTP):
        client.starttls(context=context)
        return client.sock.getpeercert()
    if isinstance(client, imaplib.IMAP4):
        client.starttls(context)
        return client.sock.getpeercert()
    client.stls(context)
    return client.sock.getpeercert()


@pytest.mark.parametrize(
    ("policy", "kind", "leave"),
    [
        (Policy("starttls"), smtplib.SMTP, "quit"),
        (ImapPolicy("starttls", users=USERS), imaplib.IMAP4, "logout"),
        (Pop3Policy("starttls", users=USERS), poplib.POP3, "quit"),
    ],
)
def test_a_client_that_was_there_before_has_the_certificate_of_before(running, policy, kind, leave):
    """Its TLS begins only after the switch; whoever connects later meets the new certificate, and the old one again."""
    server = running(policy)
    early = plain_client(server, kind)
    server.switch("expired")
    assert upgrade(server, early)
    late = plain_client(server, kind)
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        upgrade(server, late)
    server.switch("good")
    last = plain_client(server, kind)
    assert upgrade(server, last)
    for client in (early, last):
        getattr(client, leave)()
    with contextlib.suppress(OSError):  # the failed handshake has taken its socket
        (late.shutdown if kind is imaplib.IMAP4 else late.close)()


def test_a_switched_server_says_so_of_itself(running):
    server = running(Policy("implicit-tls"))
    before, where = server.ca_file, server.addresses
    server.switch("self-signed-pinned")
    assert server.policy.certificate == "self-signed-pinned"
    assert server.addresses == where
    with smtplib.SMTP_SSL(
        "localhost", server.port, timeout=10, context=server.ssl_context()
    ) as client:  # what is trusted here is the certificate itself
        client.noop()
    with pytest.raises(ssl.SSLCertVerificationError):
        smtplib.SMTP_SSL("localhost", server.port, context=ssl.create_default_context(cafile=before), timeout=10)


def test_a_session_keeps_the_policy_and_the_scenarios_rules_that_it_began_with(running):
    """Rules of `on` are everybody's, whenever they came."""
    server = running(Policy(size_limit=1000))
    always = server.on("VRFY", Reply(252, "2.1.5", "of the test"))
    with plain_client(server) as early, plain_client(server) as other:
        server.switch(Policy(size_limit=2000, hostname="new.smtpfix.test"))
        with plain_client(server) as late:
            assert b"SIZE 1000" in early.ehlo()[1]
            answered = late.ehlo()[1]
            assert b"SIZE 2000" in answered
            assert b"new.smtpfix.test" in answered
            assert early.vrfy("ann")[1] == late.vrfy("ann")[1] == b"2.1.5 of the test"
            server.on("NOOP", Reply(250, "2.0.0", "came later"))
            assert early.noop() == late.noop() == other.noop() == (250, b"2.0.0 came later")
            server.off(always)
            assert b"of the test" not in early.vrfy("ann")[1] + late.vrfy("ann")[1]
    assert server.fired(always) == 2


def test_a_switch_holds_for_clients_that_are_accepted_in_the_same_turn(smtp_authority):
    """What a client hears before others are let in may be what somebody switches upon."""
    waiting = []

    class Observer:
        def session_started(self, server, session):
            if session.number == 1:
                waiting.extend(socket.create_connection((server.host, server.port), 5) for _ in range(2))
            elif session.number == 2:
                server.switch(Policy(hostname="new.smtpfix.test"))

        def message_captured(self, server, message): ...

        def session_ended(self, server, session): ...

    with Server(authority=smtp_authority, observer=Observer()) as server, plain_client(server) as first:
        greetings = []
        for client in waiting:
            with client, client.makefile("rb") as said:
                greetings.append(said.readline())
        assert first.noop()[0] == 250
    assert [b"new.smtpfix.test" in greeting for greeting in greetings] == [False, True]


@pytest.mark.parametrize("kind", ["id", "policy"])
def test_the_rules_of_a_scenario_come_and_go_with_it(running, kind):
    """Switched to a second time, it begins anew."""
    server = running(Policy())
    for _ in range(2):
        server.switch("greeting-554" if kind == "id" else Policy(scenario="greeting-554"))
        with pytest.raises(smtplib.SMTPConnectError):
            plain_client(server)
        server.switch("good" if kind == "id" else Policy())
        with plain_client(server) as client:
            client.noop()
    assert not server.rules


def test_a_scenario_by_id_takes_the_place_of_the_one_before(running):
    """What the one before has set of the policy goes with it; what the policy says itself stays."""
    server = running(Policy("starttls", users=USERS, scenario="size-too-small"))
    assert server.policy.size_limit != Policy().size_limit
    server.switch("expired")
    assert (server.policy.scenario, server.policy.certificate) == (None, "expired")
    assert server.policy.size_limit == Policy().size_limit
    assert server.policy.users == USERS
    server.switch("greeting-554")
    assert (server.policy.scenario, server.policy.certificate) == ("greeting-554", "good")


@pytest.mark.parametrize(
    ("to", "error", "says"),
    [
        ("expird", UnknownScenario, "Did you mean 'expired'"),
        ("expired", InvalidValueError, "mode plain can show"),
        (Pop3Policy(), TypeError, "speaks SMTP"),
        (7, TypeError, "a Policy or to a scenario's id"),
    ],
)
def test_what_cannot_be_served_changes_nothing(running, to, error, says):
    server = running(Policy())
    policy = server.policy
    with pytest.raises(error, match=says):
        server.switch(to)
    assert server.policy is policy
    with plain_client(server) as client:
        client.noop()


def test_what_nobody_can_have_meant_is_a_warning_as_it_is_of_a_new_server(running):
    server = running(Policy("starttls"))
    with pytest.warns(UserWarning, match="no client ever sees Policy.certificate in mode plain"):
        server.switch(Policy("plain", certificate="expired"))
    with warnings.catch_warnings(action="error"):
        server.switch(Policy("starttls", certificate="expired"))
        server.switch("good")


def test_a_server_may_change_its_mode_and_go_on_after_it_was_closed(running):
    server = running(Policy())
    server.switch(Policy("implicit-tls"))
    with smtplib.SMTP_SSL("localhost", server.port, timeout=10, context=server.ssl_context()) as client:
        client.noop()
    server.close()
    server.switch(Policy())
    with server, plain_client(server) as client:
        client.noop()


def test_a_server_that_was_not_started_switches(smtp_authority):
    server = Server(Policy("starttls"), authority=smtp_authority)
    server.switch("expired")
    with server, resolving("mx.smtpfix.test"), plain_client(server) as client:
        with pytest.raises(ssl.SSLCertVerificationError):
            upgrade(server, client)
        client.close()


def test_old_ciphers_need_an_authority_with_rsa_keys():
    """As for a server that is made with them: the certificate that clients trust cannot become another one."""
    with Authority() as authority, Server(Policy("starttls"), authority=authority) as server:
        with pytest.raises(InvalidValueError, match="RSA"):
            server.switch(Policy("starttls", old_ciphers=True))
        assert not server.policy.old_ciphers


def test_many_threads_switch_while_clients_come(running):
    """Each client meets one policy as a whole: the name it is greeted with is that in the reply to EHLO."""
    server = running(Policy())

    def switch(number):
        for turn in range(20):
            server.switch(Policy(hostname=f"s{number}-{turn}.smtpfix.test"))

    threads = [threading.Thread(target=switch, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        client = smtplib.SMTP(timeout=10)
        greeted = client.connect("localhost", server.port)[1].split()[0]
        assert client.ehlo()[1].split()[0] == greeted
        client.quit()
    for thread in threads:
        thread.join()
    with plain_client(server) as client:
        assert client.ehlo()[1].split()[0].decode() == server.policy.hostname


def test_a_server_closes_whole_after_a_switch(running):
    """Sessions of both policies end."""
    server = running(Policy())
    early = plain_client(server)
    server.switch(Policy(size_limit=5))
    late = plain_client(server)
    server.close()
    for client in (early, late):
        with pytest.raises(smtplib.SMTPServerDisconnected):
            client.noop()
    assert not any(session.end is None for session in server.sessions)


def test_a_server_that_is_reset_serves_what_it_was_made_with(running):
    """So no test has what another one switched to."""
    server = running(Policy("starttls", size_limit=1000))
    server.switch(Policy("implicit-tls", scenario="greeting-554"))
    server.switch("expired")
    server.reset()
    assert (server.mode, server.policy.size_limit, server.policy.is_good) == ("starttls", 1000, True)
    with plain_client(server) as client:
        assert upgrade(server, client)
    server.switch("expired")
    assert server.policy.size_limit == 1000


def test_a_certificate_that_cannot_be_issued_changes_nothing(running, monkeypatch):
    """Neither the policy nor how often rules have answered."""
    server = running(Policy("starttls", scenario="greeting-554"))
    with pytest.raises(smtplib.SMTPConnectError):
        plain_client(server)
    (rule,) = server.rules

    def broken(*_):
        raise ExtraMissing("another stack")

    monkeypatch.setattr(server.authority, "tls_factory", broken)
    with pytest.raises(ExtraMissing):
        server.switch(Policy("starttls", scenario="greeting-554"))
    assert (server.rules, server.fired(rule)) == ((rule,), 1)
    with pytest.raises(smtplib.SMTPConnectError):
        plain_client(server)
