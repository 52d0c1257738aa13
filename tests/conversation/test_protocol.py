"""A third protocol, made in the tests: all that is not its own comes from the wings below it, in every mode."""

import base64
import ssl
from dataclasses import replace

import pytest
from echo_protocol import EchoPolicy, Line, Shout

from smtpfix import Delay, Disconnect, InvalidValueError, Policy, Reply, Server, SessionEnd, resolving
from smtpfix.rules.text import parse_rule
from smtpfix.smtp.language import LANGUAGE as SMTP

MODES = ["plain", "starttls", "tls-required", "implicit-tls"]
PLAIN = base64.b64encode(b"\0ann\0s3cret").decode()


@pytest.fixture
def start(smtp_authority):
    servers = []

    def serve(mode="plain", **fields):
        server = Server(EchoPolicy(mode, users={"ann": "s3cret"}, **fields), authority=smtp_authority)
        servers.append(server.start())
        return server

    yield serve
    for server in servers:
        server.close()


@pytest.mark.parametrize("mode", MODES)
def test_it_is_served_in_every_mode_and_the_record_says_how(start, mode):
    server = start(mode, motto="Guten Tag")
    with server.client() as client:
        assert client.greeting == "+ Guten Tag"
        assert client.say("ECHO who is there?") == "+ who is there?"
        assert client.say(f"AUTH PLAIN {PLAIN}") == "+ welcome"
        assert client.say("QUIT") == "+ bye"
    (session,) = server.sessions.wait()
    assert session.protocol == "echo"
    assert session.end is SessionEnd.QUIT
    assert (session.tls is not None) is (mode != "plain")
    assert session.tls is None or session.tls.started_by == ("connect" if mode == "implicit-tls" else "STARTTLS")
    (attempt,) = session.auth
    assert (attempt.user, attempt.password, attempt.accepted) == ("ann", "s3cret", True)
    assert attempt.in_clear is (mode == "plain")
    assert PLAIN not in str(session.transcript)
    assert "AUTH …(" in str(session.transcript)


def test_challenges_wrong_passwords_and_refusals_are_told_in_its_own_words(start):
    server = start("tls-required")
    with server.client() as client:
        assert client.say("AUTH LOGIN") == "> " + base64.b64encode(b"Username:").decode()
        assert client.say(base64.b64encode(b"ann").decode()) == "> " + base64.b64encode(b"Password:").decode()
        assert client.say(base64.b64encode(b"wrong").decode()) == "- go away"
        assert client.say("AUTH NONSENSE") == "- go away"
    (session,) = server.sessions.wait()
    assert [attempt.accepted for attempt in session.auth] == [False, False]
    assert session.refusal == "- go away"


def test_what_its_policy_says_of_logins_in_clear_is_its_own(start):
    assert EchoPolicy("starttls", users={"ann": "x"}).allows_auth(in_tls=False)
    assert not Policy("starttls", users={"ann": "x"}).allows_auth(in_tls=False)
    assert not EchoPolicy("tls-required", users={"ann": "x"}).allows_auth(in_tls=False)


def test_a_certificate_s_scenario_is_shown_to_its_clients(start):
    expired = start("implicit-tls", certificate="expired")
    with pytest.raises(ssl.SSLCertVerificationError, match="certificate has expired"):
        expired.client()
    assert expired.sessions[-1].tls_failure.alert == "certificate_expired"
    stranger = start("starttls", certificate="wrong-host")
    with resolving(stranger.host), pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        stranger.client()


def test_a_tls_scenario_stands_in_the_place_of_its_handshake(start):
    server = start("starttls", scenario="handshake-alert")
    with pytest.raises(ssl.SSLError):
        server.client()
    assert server.sessions[-1].tls_failure.alert == "handshake_failure"


def test_what_is_injected_behind_its_starttls_is_discarded_and_on_record(start):
    server = start("starttls")
    client = server.policy.speaks().client(PlainContact(server), timeout=10)
    with client:
        assert client.say("STARTTLS\r\nECHO injected") == "+ go ahead"
    assert server.sessions.wait()[0].injected == b"ECHO injected\r\n"


class PlainContact:
    """The server as a client sees it that asks for no TLS."""

    def __init__(self, server):
        self.host, self.port, self.mode = server.host, server.port, replace(server.policy, mode="plain").mode


def test_rules_answer_wait_and_hang_up_at_its_commands(start):
    server = start("starttls")
    rule = server.on("ECHO", Delay(0.01), Line("- not today"), argument="*rain*", times=1)
    server.on("QUIT", Disconnect())
    with server.client() as client:
        assert client.say("ECHO sun") == "+ sun"
        assert client.say("ECHO rain") == "- not today"
        assert client.say("ECHO rain") == "+ rain"
        assert client.say("QUIT") == ""
    assert server.fired(rule) == 1
    assert server.sessions.wait()[0].end is SessionEnd.DISCONNECTED


def test_a_rule_has_a_say_at_connect_in_the_handshake_and_at_each_turn_of_a_login(start):
    server = start("implicit-tls")
    greeting = server.on("CONNECT", Line("+ from a rule"), times=1)
    with server.client() as client:
        assert client.greeting == "+ from a rule"
        rule = server.on("AUTH-ANSWER", Line("- broken off"), argument="LOGIN 1")
        assert client.say("AUTH LOGIN").startswith(">")
        assert client.say(base64.b64encode(b"ann").decode()) == "- broken off"
    server.on("HANDSHAKE", Disconnect())
    with pytest.raises((ssl.SSLError, OSError)):
        server.client()
    assert (server.fired(greeting), server.fired(rule)) == (1, 1)
    assert (
        server.sessions[-1].tls_failure.reason
        == "the server closes the connection in the TLS handshake, as a rule has it"
    )


def test_another_protocol_s_stages_and_actions_are_not_its_own(start):
    server = start()
    with pytest.raises(InvalidValueError, match=r"Rule\.stage: expected one of CONNECT, .*ECHO"):
        server.on("RCPT", Line("- no"))
    with pytest.raises(InvalidValueError, match=r"Rule\.actions: expected a tuple of one or more of Line, .*Shout"):
        server.on("ECHO", Reply(250))
    with pytest.raises(
        InvalidValueError, match=r"Rule\.actions: expected a tuple of one or more of Reply, .*Advertise"
    ):
        Server().on("EHLO", Line("+ well"))
    assert server.rules == ()


def test_an_action_of_its_own_is_written_checked_and_played_like_every_other(start):
    """It is one class, which its language names: nothing else knows of it."""
    server = start()
    rule = server.add_rule(parse_rule("ECHO *rain*: delay 0.01; shout 2 x1", server.policy.speaks().language))
    with server.client() as client:
        assert [client.say("ECHO rain ") for _ in range(2)] == ["+ RAIN RAIN", "+ rain"]
    assert server.fired(rule) == 1
    with pytest.raises(InvalidValueError, match="it belongs to ECHO"):
        server.on("QUIT", Shout())
    with pytest.raises(InvalidValueError, match=r"got 'shout loud'"):
        parse_rule("ECHO: shout loud", server.policy.speaks().language)
    with pytest.raises(InvalidValueError, match="got 'shout'"):
        parse_rule("NOOP: shout", SMTP)


def test_its_policy_checks_fields_by_their_own_name():
    with pytest.raises(InvalidValueError, match=r"EchoPolicy\.port"):
        EchoPolicy(port=70_000)
    with pytest.raises(TypeError, match="EchoPolicy has no field 'greylist'"):
        EchoPolicy().replace(greylist=3)
    assert EchoPolicy().replace("starttls", motto="x").motto == "x"
