"""Clients that people use, as Debian packages them, in all four modes; skipped where they are not installed."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from smtpfix import Authority, Mode, Policy, SessionEnd

pytestmark = pytest.mark.usefixtures("nothing_logged")

USERS = {"ann": "s3cret"}
MAIL = (
    "From: Ann <ann@example.org>\nTo: Bob <bob@example.org>\nSubject: From a real client\n\nHello Bob\n.\n..\nthe end\n"
)
TEXT = "Hello Bob\n.\n..\nthe end"
MODES = pytest.mark.parametrize("mode", list(Mode))
TLS_MODES = pytest.mark.parametrize("mode", [mode for mode in Mode if mode is not Mode.PLAIN])


def needs(program):
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


@pytest.fixture
def run(tmp_path):
    """Run a program that finds no configuration of the user's, with a mail to send; return its exit code and output."""

    def run(*arguments, stdin=None):
        environment = {"HOME": str(tmp_path), "PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
        result = subprocess.run(
            list(map(str, arguments)),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            cwd=tmp_path,
            env=environment,
        )
        return result.returncode, result.stdout + result.stderr

    return run


class Curl:
    program = "curl"
    distrust = 60
    """Exit code when the certificate is not trusted."""
    alert = "unknown_ca"
    """What it tells the server then; None for a client that completes the handshake, looks, and leaves."""

    def __init__(self, run, folder):
        self.run, self.folder = run, folder

    def send(self, server, *, login=True, ca_file=None, host="localhost", clear=False):
        mail = self.folder / "mail.eml"
        mail.write_bytes(MAIL.replace("\n", "\r\n").encode())
        scheme = "smtps" if server.mode is Mode.IMPLICIT_TLS else "smtp"
        options = ["--silent", "--show-error", "--max-time", "10", "--upload-file", mail]
        options += ["--mail-from", "ann@example.org", "--mail-rcpt", "bob@example.org"]
        if server.policy.uses_tls and not clear:
            options += ["--ssl-reqd", "--cacert", ca_file or server.ca_file]
        if login:
            options += ["--user", "ann:s3cret"]
        return self.run("curl", *options, f"{scheme}://{host}:{server.port}/client.example")


@needs("curl")
def test_curl_keeps_to_the_grammar_and_declares_addresses_outside_ascii(start_smtp_server, run, tmp_path):
    server = start_smtp_server(Policy(syntax="strict", offer=["CHUNKING", "DSN"]))
    mail = tmp_path / "mail.eml"
    mail.write_bytes(MAIL.replace("\n", "\r\n").encode())
    options = ["--silent", "--show-error", "--max-time", "10", "--upload-file", mail]
    options += ["--mail-from", "zoë@example.org", "--mail-rcpt", "bob@example.org"]
    code, output = run("curl", *options, f"smtp://localhost:{server.port}/client.example")
    assert code == 0, output
    envelope = server.inbox.one().envelope
    assert envelope.reverse_path == "zoë@example.org"
    assert envelope.parameter("SMTPUTF8") == ""
    assert server.sessions.wait()[0].violations == ()


class Msmtp:
    program = "msmtp"
    distrust = 69
    alert = None

    def __init__(self, run, folder):
        self.run, self.folder = run, folder

    def send(self, server, *, login=True, ca_file=None, host="localhost", clear=False):
        lines = ["account default", f"host {host}", f"port {server.port}", "from ann@example.org", "timeout 10"]
        lines += ["domain client.example"]
        if server.policy.uses_tls and not clear:
            lines += ["tls on", f"tls_trust_file {ca_file or server.ca_file}"]
            lines += [f"tls_starttls {'off' if server.mode is Mode.IMPLICIT_TLS else 'on'}"]
        if login:
            lines += ["auth plain", "user ann", "password s3cret"]
        configuration = self.folder / "msmtprc"
        configuration.touch(mode=0o600)  # or it refuses to read the password in it
        configuration.write_text("\n".join(lines) + "\n")
        return self.run("msmtp", f"--file={configuration}", "bob@example.org", stdin=MAIL)


class Swaks:
    program = "swaks"
    distrust = 29
    alert = "unknown_ca"

    def __init__(self, run, folder):
        self.run, self.folder = run, folder

    def send(self, server, *, login=True, ca_file=None, host="localhost", clear=False):
        options = ["--server", host, "--port", server.port, "--timeout", "10", "--helo", "client.example"]
        options += ["--from", "ann@example.org", "--to", "bob@example.org", "--data", "-"]
        if server.policy.uses_tls and not clear:
            options += ["--tls-on-connect" if server.mode is Mode.IMPLICIT_TLS else "--tls"]
            options += ["--tls-verify", "--tls-ca-path", ca_file or server.ca_file]
        if login:
            options += ["--auth", "PLAIN", "--auth-user", "ann", "--auth-password", "s3cret"]
        return self.run("swaks", *options, stdin=MAIL)


@pytest.fixture(
    params=[pytest.param(kind, marks=needs(kind.program), id=kind.program) for kind in (Curl, Msmtp, Swaks)]
)
def client(request, run, tmp_path):
    """Return a real client."""
    return request.param(run, tmp_path)


@MODES
@pytest.mark.parametrize("login", [True, False], ids=["AUTH", "no AUTH"])
def test_a_real_client_delivers_and_the_record_says_how(start_smtp_server, client, mode, login):
    server = start_smtp_server(mode, users=USERS if login else None, require_auth=login)
    assert client.send(server, login=login)[0] == 0
    message = server.inbox.one(to="bob@example.org", subject="From a real client")
    assert message.text.rstrip("\n") == TEXT  # swaks adds an empty line
    assert message.reverse_path == "ann@example.org"
    assert message.user == ("ann" if login else None)
    session = server.sessions[-1]
    assert session.end is SessionEnd.QUIT
    assert session.client_name == "client.example"
    assert (session.tls is None) is (mode is Mode.PLAIN)
    recorded = [(one.mechanism, one.user, one.password, one.accepted, one.in_clear) for one in session.auth]
    assert recorded == ([("PLAIN", "ann", "s3cret", True, mode is Mode.PLAIN)] if login else [])


@TLS_MODES
def test_a_real_client_refuses_an_authority_it_does_not_know(start_smtp_server, client, mode):
    server = start_smtp_server(mode, users=USERS)
    with Authority() as somebody_elses:
        code, output = client.send(server, ca_file=somebody_elses.ca_file)
    assert code == client.distrust, output
    assert len(server.inbox) == 0
    session = server.sessions[-1]
    assert session.auth == ()  # the password stayed at home
    assert (session.tls_failure and session.tls_failure.alert) == client.alert
    assert (session.tls is None) is (client.alert is not None)
    assert session.transcript.commands == (() if mode is Mode.IMPLICIT_TLS else ("EHLO client.example", "STARTTLS"))


@pytest.mark.parametrize("mode", [Mode.STARTTLS, Mode.TLS_REQUIRED])
def test_a_real_client_that_is_told_to_stay_in_clear_gets_what_the_mode_gives(start_smtp_server, client, mode):
    server = start_smtp_server(mode)
    code, output = client.send(server, login=False, clear=True)
    if mode is Mode.STARTTLS:
        assert code == 0, output
        assert not server.inbox.one().in_tls
    else:
        assert code != 0
        assert "530" in output
        assert server.sessions[-1].transcript.replies[2] == "530 5.7.0 Must issue a STARTTLS command first"


def test_a_real_client_is_refused_with_a_wrong_password(start_smtp_server, client):
    server = start_smtp_server("plain", users={"ann": "another"}, require_auth=True)
    code, _ = client.send(server)
    assert code != 0
    assert len(server.inbox) == 0
    session = server.sessions[-1]
    assert [(one.user, one.password, one.accepted) for one in session.auth] == [("ann", "s3cret", False)]
