"""The probe: what it measures of servers that are well, and what it says of those that are not."""

from __future__ import annotations

import dataclasses
import ssl
from datetime import UTC, datetime, timedelta

import pytest

from smtpfix import Authority, InvalidValueError, Policy, Raw, Reply, Server, resolving
from smtpfix.probe.measurement import Connection, Probe
from smtpfix.probe.probe import probe

pytestmark = pytest.mark.usefixtures("nothing_logged")

USERS = {"ann": "s3cret"}
KINDS = [("plain", Connection.PLAIN), ("starttls", Connection.STARTTLS), ("implicit-tls", Connection.IMPLICIT_TLS)]
BY_KIND = pytest.mark.parametrize(("mode", "kind"), KINDS)
TLS_KINDS = pytest.mark.parametrize(("mode", "kind"), KINDS[1:])
LOGIN = {"user": "ann", "password": "s3cret"}
MAIL = {"sender": "probe@example.org", "recipient": "ann@example.org"}


def measured(server, kind=Connection.PLAIN, **fields):
    """Probe a server, which is trusted where it knows TLS; a test that waits for a timeout says so."""
    if server.policy.uses_tls:
        fields.setdefault("ca_file", server.ca_file)
    return probe(Probe(server.host, server.port, kind, **fields))


# Servers that are well


@BY_KIND
def test_with_a_login_and_a_recipient_everything_is_measured(mode, kind):
    with Server(Policy(mode, users=USERS)) as server:
        result = measured(server, kind, **LOGIN, **MAIL, subject="Is it there?")
        assert (result.reply_code, result.stage, result.error) == (0, "", "")
        assert result.succeeded
        assert result.logged_in
        assert result.sent
        assert min(result.connection_ms, result.login_ms, result.transfer_ms) > 0
        message = server.inbox.one(to="ann@example.org")
        assert (message.subject, message.envelope.reverse_path) == ("Is it there?", "probe@example.org")
        assert message.html == "<p>A test message.</p>\n"
        assert message.in_tls == (mode != "plain")
        assert message.violations == ()
        assert server.sessions[-1].auth[0].accepted
        assert len(server.sessions) == 1


@BY_KIND
def test_without_a_recipient_nothing_is_sent(mode, kind):
    with Server(Policy(mode, users=USERS)) as server:
        result = measured(server, kind, **LOGIN)
        assert result.succeeded
        assert result.logged_in
        assert not result.sent
        assert result.transfer_ms is None
        assert not server.inbox.messages


def test_without_a_user_it_does_not_log_in():
    with Server(Policy(users=USERS)) as server:
        result = measured(server)
        assert (result.logged_in, result.login_ms) == (False, None)
        assert not server.sessions[-1].auth


def test_what_the_server_says_of_itself_is_in_the_result():
    with Server(Policy("starttls", users=USERS, size_limit=1000)) as server:
        result = measured(server, Connection.STARTTLS)
        assert result.greeting == "mx.smtpfix.test ESMTP smtpfix"
        assert result.software == "smtpfix"
        assert "STARTTLS" in result.extensions_in_clear
        assert "AUTH PLAIN LOGIN" not in result.extensions_in_clear
        assert "SIZE 1000" in result.extensions
        assert "AUTH PLAIN LOGIN" in result.extensions
        assert "STARTTLS" not in result.extensions


@pytest.mark.parametrize(
    ("greeting", "software"),
    [
        ("mail.example.org ESMTP Postfix (Debian)", "Postfix (Debian)"),
        ("mail.example.org smtp", ""),
        ("mail.example.org Ready", "Ready"),
        ("mail.example.org", ""),
    ],
)
def test_the_software_is_what_the_greeting_says_after_the_server_s_name(greeting, software):
    with Server() as server:
        server.on("CONNECT", Reply(220, None, greeting))
        assert measured(server).software == software


def test_what_a_server_says_is_made_harmless():
    with Server() as server:
        server.on("CONNECT", Raw(b"220 mail.example.org ESMTP \x1b[2Jx\r\n"))
        assert measured(server).software == "\\x1b[2Jx"


@TLS_KINDS
def test_tls_and_the_certificate_are_in_the_result(mode, kind):
    with Server(Policy(mode, tls_max="TLSv1.2")) as server:
        result = measured(server, kind)
        assert result.tls_ms > 0
        assert result.tls_version == "TLSv1.2"
        assert result.cipher
        certificate = result.certificate
        assert (certificate.verify_code, certificate.verify_error) == (0, "")
        assert "DNS:localhost" in certificate.names
        assert "CN = mx.smtpfix.test" in certificate.subject
        assert "intermediate" in certificate.issuer
        assert certificate.expires > datetime.now(UTC) + timedelta(days=30)


def test_a_plain_connection_has_no_tls():
    with Server(Policy("starttls")) as server:
        result = measured(server)
        assert (result.tls_ms, result.tls_version, result.certificate) == (None, None, None)
        assert "STARTTLS" in result.extensions


def test_it_calls_itself_by_its_address():
    with Server(Policy(host="127.0.0.1")) as server:
        measured(server)
        assert server.sessions[-1].client_name == "[127.0.0.1]"


@pytest.mark.usefixtures("ipv6")
def test_it_calls_itself_by_its_ipv6_address():
    with Server(Policy(host="::1")) as server:
        assert measured(server).succeeded
        assert server.sessions[-1].client_name == "[IPv6:::1]"


def test_a_server_that_knows_helo_only_is_greeted_so():
    with Server(Policy("starttls", scenario="strip-helo-only")) as server:
        result = measured(server, **MAIL)
        assert result.sent
        assert result.extensions == ()


# Certificates


@TLS_KINDS
@pytest.mark.parametrize(("certificate", "code"), [("expired", 10), ("self-signed", 18), ("wrong-host", 62)])
def test_a_certificate_that_is_not_to_be_trusted_is_described_and_gets_no_secret(mode, kind, certificate, code):
    with Server(Policy(mode, certificate=certificate, users=USERS)) as server:
        result = measured(server, kind, **LOGIN, **MAIL)
        assert (result.reply_code, result.stage) == (-1, "tls")
        assert result.certificate.verify_code == code
        assert result.certificate.verify_error in result.error
        assert result.certificate.subject
        assert result.tls_version == "TLSv1.3"
        assert not server.inbox.messages
        assert not any(session.auth for session in server.sessions)


@TLS_KINDS
def test_where_it_is_told_so_it_goes_on_with_any_certificate_and_says_what_is_wrong_with_it(mode, kind):
    with Server(Policy(mode, certificate="expired", users=USERS)) as server:
        result = measured(server, kind, **LOGIN, **MAIL, verify=False)
        assert result.succeeded
        assert result.certificate.verify_code == 10
        assert result.certificate.expires < datetime.now(UTC)
        assert server.inbox.one().in_tls


def test_a_certificate_that_no_library_reads_is_described_all_the_same():
    with Server(Policy("implicit-tls", certificate="nul-san")) as server, resolving():
        result = measured(server, Connection.IMPLICIT_TLS)
        assert result.reply_code == -1
        assert "\\x00" in result.certificate.names


def test_without_a_ca_file_the_system_s_are_trusted():
    with Authority() as authority, Server(Policy("implicit-tls"), authority=authority) as server:
        result = measured(server, Connection.IMPLICIT_TLS, ca_file=None)
        assert result.reply_code == -1
        assert result.certificate.verify_code in (19, 20)
        assert measured(server, Connection.IMPLICIT_TLS).succeeded


# Servers that are not well


@pytest.mark.parametrize(
    ("scenario", "code", "stage"),
    [
        ("greeting-554", 554, "greeting"),
        ("greeting-421", 421, "greeting"),
        ("ehlo-421", 421, "ehlo"),
        ("auth-535", 535, "login"),
        ("mail-452", 452, "transfer"),
        ("rcpt-550", 550, "transfer"),
        ("data-421", 421, "transfer"),
        ("final-dot-451", 451, "transfer"),
    ],
)
def test_the_reply_code_is_the_server_s_when_it_says_no(scenario, code, stage):
    with Server(Policy(scenario=scenario)) as server:
        result = measured(server, **MAIL, **(LOGIN if stage == "login" else {}))
        assert (result.reply_code, result.stage) == (code, stage)
        assert not result.succeeded
        assert not result.sent
        assert result.error.startswith(f"{code} ")


@pytest.mark.parametrize(
    ("scenario", "stage"),
    [
        ("greeting-close", "greeting"),
        ("greeting-http", "greeting"),
        ("handshake-close", "tls"),
        ("fake220-garbage", "tls"),
        ("strip-ehlo", "starttls"),
        ("final-dot-close", "transfer"),
    ],
)
def test_the_reply_code_is_minus_one_when_the_server_gave_none(scenario, stage):
    with Server(Policy("starttls", scenario=scenario)) as server:
        result = measured(server, Connection.STARTTLS, **MAIL)
        assert (result.reply_code, result.stage) == (-1, stage)
        assert result.error


def test_starttls_that_is_not_offered_is_not_gone_without():
    with Server(Policy("starttls", scenario="strip-ehlo")) as server:
        result = measured(server, Connection.STARTTLS, **LOGIN, **MAIL)
        assert result.error == "the server does not offer STARTTLS"
        assert not server.inbox.messages
        assert not server.sessions[-1].auth


def test_starttls_that_is_refused_is_the_server_s_reply_code():
    with Server(Policy("starttls", scenario="strip-454")) as server:
        result = measured(server, Connection.STARTTLS, **LOGIN)
        assert (result.reply_code, result.stage) == (454, "starttls")
        assert not server.sessions[-1].auth


@pytest.mark.parametrize(("mode", "kind"), [("plain", Connection.IMPLICIT_TLS), ("implicit-tls", Connection.PLAIN)])
def test_the_wrong_kind_of_connection_is_an_error_in_the_result(mode, kind):
    with Server(Policy(mode)) as server:
        result = measured(server, kind, timeout=0.3)
        assert result.reply_code == -1
        assert result.stage == {Connection.IMPLICIT_TLS: "tls", Connection.PLAIN: "greeting"}[kind]


def test_a_server_that_says_nothing_is_given_up():
    with Server(Policy(scenario="greeting-none")) as server:
        result = measured(server, timeout=0.1)
        assert (result.reply_code, result.stage) == (-1, "greeting")
        assert "timed out" in result.error


def test_where_nobody_listens_it_says_so():
    with Server() as server:
        port = server.port
    result = probe(Probe("127.0.0.1", port))
    assert (result.reply_code, result.stage) == (-1, "connect")
    assert result.error == "connection refused"
    assert result.tls_ms is None


def test_a_name_that_nobody_can_have_is_an_error_in_the_result():
    result = probe(Probe("a" * 300, 25))
    assert (result.reply_code, result.stage) == (-1, "connect")


# Values


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"host": ""}, r"Probe\.host: expected a host name or an IP address, got ''"),
        ({"port": 0}, r"Probe\.port: expected a number from 1 to 65535, got 0"),
        ({"connection": "ssl"}, r"Probe\.connection: expected one of plain, starttls, implicit-tls, got 'ssl'"),
        ({"user": "ann"}, r"Probe\.user: .* there is user 'ann', and no password or token"),
        ({"password": "s3cret"}, r"Probe\.user: .* there is a password or a token, and no user"),
        (LOGIN | {"token": "abc"}, r"Probe\.token: there is a password too; a login has one of them"),
        (
            LOGIN | {"password": "s3\0cret"},
            r"Probe\.password: no user and no password can hold a NUL character",
        ),
        ({"user": "ann", "token": "s3 cret"}, r"Probe\.token: expected ASCII letters, .*, got 'something else'"),
        (
            LOGIN | {"mechanism": "XOAUTH2"},
            r"Probe\.mechanism: expected one for a password, one of PLAIN, .* 'XOAUTH2'",
        ),
        ({"sender": "a@example.org\r\nRSET"}, r"Probe\.sender: expected one line of text, got "),
        ({"recipient": "a\n", "sender": "a"}, r"Probe\.recipient: expected one line of text, got "),
        ({"ehlo_name": "a b"}, r"Probe\.ehlo_name: expected a name in ASCII, without blanks, got 'a b'"),
        ({"name": "a" * 300}, r"Probe\.name: expected a host name or an IP address, got 'aaa"),
        ({"ip_version": 5}, r"Probe\.ip_version: expected 4, 6 or None, got 5"),
        ({"recipient": "ann@example.org"}, r"Probe\.sender: expected a sender with the recipient, got None"),
        ({"timeout": 0}, r"Probe\.timeout: expected seconds above 0, got 0"),
    ],
)
def test_what_makes_no_sense_is_an_error_at_once(fields, error):
    good = {"host": "localhost", "port": 25}
    assert Probe(**good)
    with pytest.raises(InvalidValueError, match=error):
        Probe(**good | fields)


def test_a_ca_file_that_is_none_is_an_error(tmp_path):
    path = tmp_path / "ca.pem"
    for write in (lambda: None, lambda: path.write_text("nothing")):
        write()
        with pytest.raises(InvalidValueError, match=r"Probe\.ca_file: expected a file with certificates, PEM"):
            probe(Probe("localhost", 25, Connection.IMPLICIT_TLS, ca_file=path))


def test_a_probe_does_not_show_its_password():
    settings = Probe("localhost", 25, **LOGIN)
    assert "s3cret" not in repr(settings)
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.password = "another"


def test_the_default_ports_are_the_conventional_ones():
    assert [kind.default_port for kind in Connection] == [25, 25, 465]


def test_the_probe_s_verify_code_is_openssl_s():
    with Server(Policy("implicit-tls", certificate="expired")) as server:
        with pytest.raises(ssl.SSLCertVerificationError) as caught, server.client():
            raise AssertionError("it connects")
        assert measured(server, Connection.IMPLICIT_TLS).certificate.verify_code == caught.value.verify_code
