"""`smtpfix probe`: options, what it prints, its exit status."""

from __future__ import annotations

import json

import pytest

from smtpfix import ImapPolicy, Policy, Pop3Policy, Raw, Server
from smtpfix.cli import main
from smtpfix.cli.probe import read_probe

pytestmark = pytest.mark.usefixtures("nothing_logged")

USERS = {"ann": "s3cret"}
LOGIN = ("--user", "ann", "--password", "s3cret")
MAIL = ("--from", "probe@example.org", "--to", "ann@example.org")


@pytest.fixture
def run(capsys):
    """Probe a server and return the exit status, what was printed, and what was complained."""

    def run(server, *options):
        trust = ("--ca-file", str(server.ca_file)) if server.policy.uses_tls else ()
        status = main(["probe", f"{server.host}:{server.port}", *trust, *options])
        written = capsys.readouterr()
        return status, written.out, written.err

    return run


@pytest.fixture
def fail(capsys):
    """Give options that make no sense and return the one line on stderr."""

    def fail(*options):
        assert main(["probe", *options]) == 2
        written = capsys.readouterr()
        assert (written.out, written.err.count("\n")) == ("", 1)
        return written.err

    return fail


def test_the_lines_say_what_was_found(run):
    with Server(Policy("starttls", users=USERS)) as server:
        status, out, err = run(server, "--connection", "starttls", *LOGIN, *MAIL)
        assert (status, err) == (0, "")
        lines = dict(line.strip().split(":", 1) for line in out.splitlines()[1:])
        assert list(lines) == [
            *("Connection", "TLS", "Login", "Transfer", "Total", "Greeting", "Software", "Offered in clear", "Offered"),
            *("TLS version", "Certificate", "Names", "Issuer", "Expires", "Reply code"),
        ]
        assert lines["Reply code"].strip() == "0, logged in by PLAIN and sent"
        assert lines["Certificate"].strip() == "verify code 0 (ok)"
        assert "s3cret" not in out
        assert len(server.inbox.messages) == 1


def test_without_a_recipient_nothing_is_sent(run):
    with Server() as server:
        status, out, _ = run(server)
        assert status == 0
        assert "Reply code:       0, nothing sent" in out
        assert not server.inbox.messages


def test_what_went_wrong_is_said_and_is_status_1(run):
    with Server(Policy("implicit-tls", certificate="expired", users=USERS)) as server:
        status, out, _ = run(server, "--connection", "implicit-tls", *LOGIN)
        assert status == 1
        assert "verify code 10 (certificate has expired)" in out
        assert "Reply code:       -1, at tls" in out
        assert not any(session.auth for session in server.sessions)
        assert run(server, "--connection", "implicit-tls", *LOGIN, "--no-verify")[0] == 0


def test_json_is_one_object_with_the_same_keys_whatever_happens(run):
    with Server(Policy("implicit-tls", users=USERS)) as good, Server(Policy(scenario="greeting-554")) as bad:
        status, out, _ = run(good, "--connection", "implicit-tls", "--json", *LOGIN, *MAIL)
        found = json.loads(out)
        assert (status, found["reply_code"], found["error"], found["stage"]) == (0, 0, None, None)
        assert (found["software"], found["tls_version"], found["sent"]) == ("smtpfix", "TLSv1.3", True)
        assert found["certificate"]["verify_code"] == 0
        assert "SIZE 33554432" in found["extensions"]
        assert "s3cret" not in out
        status, out, _ = run(bad, "--json")
        failed = json.loads(out)
        assert (status, failed["reply_code"], failed["stage"]) == (1, 554, "greeting")
        assert (failed["login_ms"], failed["certificate"], failed["sent"]) == (None, None, False)
        assert list(failed) == list(found)


def test_the_password_can_stand_in_a_file(run, tmp_path, fail):
    file = tmp_path / "password"
    file.write_text("s3cret\n", encoding="utf-8")
    with Server(Policy(users=USERS)) as server:
        assert run(server, "--user", "ann", "--password-file", str(file))[0] == 0
        assert server.sessions[-1].auth[0].password == "s3cret"
    both = fail("localhost", *LOGIN, "--password-file", str(file))
    assert "--password-file: --password says it already; leave one of them out" in both
    assert "s3cret" not in both
    assert "expected a text file that can be read" in fail("localhost", "--password-file", str(tmp_path / "none"))


def test_what_a_server_says_cannot_move_the_cursor(run):
    with Server() as server:
        server.on("CONNECT", Raw(b"220 mail.example.org \x1b[2J[bold]x\r\n"))
        status, out, _ = run(server)
        assert status == 0
        assert "\x1b" not in out
        assert "Software:         \\x1b[2J[bold]x\n" in out


@pytest.mark.parametrize(
    ("where", "connection", "host", "port"),
    [
        ("mail.example.org", "plain", "mail.example.org", 25),
        ("mail.example.org", "implicit-tls", "mail.example.org", 465),
        ("mail.example.org:587", "starttls", "mail.example.org", 587),
        ("[::1]:2525", "plain", "::1", 2525),
        ("[::1]", "starttls", "::1", 25),
    ],
)
def test_where_to_connect_to(where, connection, host, port):
    fields = {"password": None, "password_file": None, "no_verify": False, "ca_file": None}
    found = read_probe(where, connection=connection, **fields)
    assert (found.host, found.port, found.connection, found.verify) == (host, port, connection, True)
    assert (found.user, found.recipient, found.protocol) == (None, None, "smtp")


@pytest.mark.parametrize(
    ("where", "connection", "expected"),
    [
        ("imap://mail.example.org", None, ("imap", "plain", 143)),
        ("imap://mail.example.org", "starttls", ("imap", "starttls", 143)),
        ("imap://mail.example.org", "implicit-tls", ("imap", "implicit-tls", 993)),
        ("IMAPS://mail.example.org/", None, ("imap", "implicit-tls", 993)),
        ("imaps://mail.example.org:1993", "implicit-tls", ("imap", "implicit-tls", 1993)),
        ("pop3://mail.example.org", None, ("pop3", "plain", 110)),
        ("pop3s://mail.example.org", None, ("pop3", "implicit-tls", 995)),
        ("smtps://mail.example.org", None, ("smtp", "implicit-tls", 465)),
        ("mail.example.org", None, ("smtp", "plain", 25)),
    ],
)
def test_a_scheme_says_which_protocol_and_when_tls_begins(where, connection, expected):
    fields = {"password": None, "password_file": None, "no_verify": False, "ca_file": None}
    found = read_probe(where, connection=connection, **fields)
    assert (found.protocol, found.connection, found.port) == expected


@pytest.mark.parametrize(("policy", "scheme"), [(ImapPolicy, "imaps"), (Pop3Policy, "pop3s")])
def test_an_imap_or_pop3_server_is_measured_in_each_form(policy, scheme, capsys):
    protocol = scheme.removesuffix("s")
    with Server(policy("implicit-tls", users=USERS)) as server:
        command = ("probe", f"{scheme}://{server.host}:{server.port}", "--ca-file", str(server.ca_file), *LOGIN)
        assert main(command) == 0
        head, *lines = capsys.readouterr().out.splitlines()
        assert head == f"{server.host}, port {server.port}, {protocol.upper()}, implicit-tls"
        assert lines[-1] == "    Reply code:       0, logged in by PLAIN"
        assert main((*command, "--json")) == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["protocol"], found["logged_in"], found["sent"]) == (protocol, True, False)
        assert main((*command, "--nagios", "--critical", "days=7:")) == 0
        assert capsys.readouterr().out.startswith(f"{protocol.upper()} OK - logged in, ")
        assert main((*command[:-1], "wr0ng-one", "--nagios")) == 2
        assert capsys.readouterr().out.startswith(f"{protocol.upper()} CRITICAL - at login: ")
        assert main((*command, "--prometheus")) == 0
        assert f'protocol="{protocol}",phase="login"' in capsys.readouterr().out
    assert main(["probe", f"{scheme}://{server.host}", "--nagios", "--timeout", "0"]) == 3
    assert capsys.readouterr().out.startswith(f"{protocol.upper()} UNKNOWN - --timeout: ")


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (
            ("a:b:c",),
            "HOST[:PORT]: expected such as mail.example.org:25, [::1]:25 or imap://mail.example.org, got 'a:b:c'",
        ),
        (
            ("http://localhost",),
            "HOST[:PORT]: there is no scheme 'http'; there are smtp, smtps, imap, imaps, pop3, pop3s",
        ),
        (
            ("imaps://localhost", "--connection", "starttls"),
            "--connection: imaps:// means implicit-tls, and not starttls; leave one of them out",
        ),
        (
            ("pop3://localhost", "--from", "a@example.org", "--to", "b@example.org"),
            "--from: expected none: only SMTP has it, got 'a@example.org'",
        ),
        (("localhost:0",), "HOST[:PORT]: expected a number from 1 to 65535, got 0"),
        (
            ("localhost", "--connection", "ssl"),
            "--connection: 'ssl' is no mode; a server with TLS from the first octet is 'implicit-tls'",
        ),
        (
            ("localhost", "--user", "ann"),
            "--user: to log in takes both: there is user 'ann', and no password or token",
        ),
        (("localhost", "--to", "ann@example.org"), "--from: expected a sender with the recipient, got None"),
        (
            ("localhost", "--from", "a@example.org", "--to", "a\nb"),
            "--to: expected one line of text, got 'a\\nb'",
        ),
        (
            ("localhost", "--mechanism", "NTLM"),
            "--mechanism: expected one for a password, one of PLAIN, LOGIN, CRAM-MD5, got 'NTLM'",
        ),
        (("localhost", "--ehlo", "a b"), "--ehlo: expected a name in ASCII, without blanks, got 'a b'"),
        (("localhost", "--timeout", "0"), "--timeout: expected seconds above 0, got 0.0"),
        (
            ("localhost", "--connection", "starttls", "--ca-file", "none.pem"),
            "--ca-file: expected a file with certificates, PEM, got 'none.pem'",
        ),
        (("localhost", "--ca-file", "none.pem"), "--ca-file: expected a file with certificates, PEM, got 'none.pem'"),
    ],
)
def test_an_error_names_the_option(fail, options, error):
    assert fail(*options) == f"smtpfix: {error}\n"


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_server_that_says_the_password_again_has_it_not_printed(run, options):
    with Server(Policy(users=USERS)) as server:
        server.on("AUTH", Raw(b"535 5.7.8 Who is AUTH PLAIN AGFubgBzM2NyZXQ= or s3cret?\r\n"))
        status, out, _ = run(server, "--connection", "plain", *LOGIN, *options)
    assert status == 1
    assert "Who is AUTH PLAIN" in out
    assert "AGFubgBzM2NyZXQ" not in out
    assert "s3cret" not in out


# What to try


def test_a_server_that_says_nothing_may_begin_with_tls_which_is_said_while_it_is_waited_for(capfd, monkeypatch):
    monkeypatch.setattr("smtpfix.probe.session._SILENCE", 0.01)
    with Server(Policy("implicit-tls")) as server:
        assert main(["probe", f"{server.host}:{server.port}", "--timeout", "1"]) == 1
    printed = capfd.readouterr()
    assert printed.err == (
        "smtpfix: the server says nothing; if that goes on, try --connection implicit-tls: a server that begins with "
        "TLS waits for its client\n"
    )
    assert "Try:              --connection implicit-tls: a server that begins" in printed.out


@pytest.mark.parametrize(
    ("policy", "options", "advice"),
    [
        (Policy("implicit-tls"), ["--connection", "implicit-tls"], "--ca-file FILE, if you trust its authority"),
        (Policy("plain"), ["--connection", "implicit-tls"], "--connection starttls, or plain"),
    ],
)
def test_a_failure_whose_kind_is_known_is_told_with_what_to_try(capsys, policy, options, advice):
    with Server(policy) as server:
        assert main(["probe", f"{server.host}:{server.port}", *options]) == 1
    assert f"Try:              {advice}" in capsys.readouterr().out


def test_the_name_of_a_certificate_for_somebody_else_can_be_given(run):
    with Server(Policy("implicit-tls")) as server:
        _, printed, _ = run(server, "--connection", "implicit-tls", "--name", "mail.example.org")
    assert "Try:              --name NAME, if the certificate is for another name of this server" in printed


@pytest.mark.parametrize(
    ("name", "connection"),
    [("tls-required", "starttls"), ("starttls-required", "starttls"), ("implicit", "implicit-tls"), ("none", "plain")],
)
def test_other_commands_words_for_when_tls_begins_will_do(name, connection):
    options = {"password": None, "password_file": None, "no_verify": False, "ca_file": None}
    assert read_probe("localhost:25", connection=name, **options).connection == connection
