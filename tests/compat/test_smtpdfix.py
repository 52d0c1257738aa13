"""What suites written for smtpdfix rely upon."""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage

import pytest

from smtpfix import Authority, InvalidValueError, Policy, Server
from smtpfix.compat import smtpdfix
from smtpfix.compat.smtpdfix import AuthController, Config, SMTPDFix

smtpd = smtpdfix.smtpd


@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    """Let the environment of whoever runs the tests set nothing up."""
    for name in ("HOST", "PORT", "USE_SSL", "USE_TLS", "USE_STARTTLS", "ENFORCE_AUTH", "SSL_CERTIFICATE_FILE"):
        monkeypatch.delenv(f"SMTPD_{name}", raising=False)


@pytest.fixture
def letter():
    message = EmailMessage()
    message["From"], message["To"], message["Cc"] = "ann@example.org", "bob@example.org", "eve@example.org"
    message["Subject"] = "Hello"
    message.set_content("Hello.")
    return message


def send(server, message):
    with smtplib.SMTP(server.hostname, server.port) as client:
        client.send_message(message)


def test_messages_are_a_copy_with_the_envelope_in_headers(smtpd, letter):
    assert smtpd.messages == []
    send(smtpd, letter)
    (message,) = smtpd.messages
    assert message["Subject"] == "Hello"
    assert message["X-MailFrom"] == "ann@example.org"
    assert message["X-RcptTo"] == "bob@example.org, eve@example.org"
    assert message["X-Peer"].startswith("('127.0.0.1', ")
    smtpd.messages.clear()
    assert smtpd.messages[0] is message


def test_a_change_of_config_is_felt_by_the_next_client_on_the_same_port(smtpd, letter):
    send(smtpd, letter)
    port = smtpd.port
    smtpd.config.use_starttls = True
    with smtplib.SMTP("localhost", port) as client:
        with pytest.raises(smtplib.SMTPSenderRefused, match="530"):
            client.send_message(letter)
        client.starttls()
        client.login("user", "password")
        client.send_message(letter)
    assert smtpd.port == port
    assert len(smtpd.messages) == 2


def test_implicit_tls_goes_behind_starttls(smtpd, letter):
    smtpd.config.use_ssl = True
    with smtplib.SMTP_SSL(smtpd.hostname, smtpd.port, context=smtpd.server.ssl_context()) as client:
        client.send_message(letter)
    assert smtpd.server.mode == "implicit-tls"
    smtpd.config.use_starttls = True
    assert smtpd.server.mode == "tls-required"


def test_a_config_that_is_patched_as_a_class_is_felt_by_who_asks_for_the_port(smtpd, monkeypatch):
    monkeypatch.setattr(Config, "enforce_auth", True)
    with smtplib.SMTP(smtpd.hostname, smtpd.port) as client:
        client.helo()
        assert client.docmd("DATA") == (530, b"5.7.0 Authentication required")
        assert client.docmd("AUTH", "LOGIN")[0] == 538  # TLS is required for it, and not there


def test_the_environment_sets_it_up(monkeypatch):
    for name, value in (("ENFORCE_AUTH", "on"), ("AUTH_REQUIRE_TLS", "0"), ("LOGIN_NAME", "ann"), ("USE_TLS", "no")):
        monkeypatch.setenv(f"SMTPD_{name}", value)
    with SMTPDFix() as server, smtplib.SMTP(server.hostname, server.port) as client:
        assert client.docmd("MAIL", "FROM:<ann@example.org>")[0] == 530
        assert client.login("ann", "password")[0] == 235
    monkeypatch.setenv("SMTPD_USE_TLS", "maybe")
    with pytest.raises(InvalidValueError, match=r"expected one of y, yes, .*, got 'maybe'"):
        Config()


def test_certificates_of_the_suite_s_own(tmp_path, letter):
    with Authority() as authority, Server(Policy("starttls"), authority=authority) as server:
        chain = authority.chain(server.policy.chain_scenario, server.place)
        both, context = tmp_path / "both.pem", authority.server_context(server.policy, server.place)
        both.write_bytes(chain.chain_pem.encode() + chain.key_pem)
    config = Config()
    config.use_ssl, config.ssl_cert_files = True, str(both)
    trusting = ssl.create_default_context(cadata=authority.ca_pem)
    for fields in ({"config": config}, {"ssl_context": context}):
        server = AuthController(**fields)
        server.config.use_ssl = True
        server.start()
        with smtplib.SMTP_SSL(server.hostname, server.port, context=trusting) as client:
            client.send_message(letter)
        server.stop()
        assert len(server.messages) == 1
    with pytest.raises(FileNotFoundError, match=r"nowhere\.pem"):
        config.ssl_cert_files = "nowhere.pem"
    config.ssl_cert_files = None
    with pytest.raises(FileNotFoundError, match="expected the file of a certificate"):
        AuthController(config=config).start()


def test_an_authenticator_of_the_suite_s_own_decides():
    class Authenticator:
        def validate(self, username, password):
            return password == username[::-1]

    server = AuthController(authenticator=Authenticator())
    server.config.auth_require_tls = False
    server.start()
    with smtplib.SMTP(server.hostname, server.port) as client:
        with pytest.raises(smtplib.SMTPAuthenticationError):
            client.login("user", "password")
        assert client.login("ann", "nna")[0] == 235
    server.stop()


def test_reset_keeps_the_messages_unless_told_otherwise(letter):
    with SMTPDFix() as server:
        send(server, letter)
        server.reset()
        assert len(server.messages) == 1
        server.reset(persist_messages=False)
        assert server.messages == []
        send(server, letter)
        assert len(server.messages) == 1


def test_a_stopped_one_says_what_to_do():
    with pytest.raises(RuntimeError, match=r"call start\(\), or use the fixture smtpd"):
        AuthController(hostname="localhost", port=0).server  # noqa: B018 - looking is the point


def test_one_line_in_conftest_is_enough_and_a_failure_shows_the_sessions(pytester):
    pytester.makeconftest('pytest_plugins = ["smtpfix.compat.smtpdfix"]')
    pytester.makepyfile(
        """
        import smtplib

        def test_it(smtpd):
            with smtplib.SMTP(smtpd.hostname, smtpd.port) as client:
                client.noop()
            assert len(smtpd.messages) == 1
        """
    )
    result = pytester.runpytest_inprocess(
        "-p", "no:cacheprovider", "-p", "no:asyncio", "-p", "no:faker", "-p", "no:hypothesispytest", "-p", "no:anyio"
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*smtp session 1 (plain)*", "*C: noop"])
