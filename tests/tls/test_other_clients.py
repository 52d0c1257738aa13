"""TLS clients that are not Python: GnuTLS and OpenSSL's own command; skipped where they are not installed."""

from __future__ import annotations

import contextlib
import ipaddress
import shutil
import subprocess

import pytest

from smtpfix import Policy, SessionEnd
from smtpfix.policy.catalogue_files import load_scenario

pytestmark = pytest.mark.usefixtures("nothing_logged")

DEADLINE = 10.0
"""Seconds after which a client is ended; none takes one."""

ACCEPTED = ("good", "good-intermediate", "ip-san", "wildcard-ok", "self-signed-pinned", "tls12-only")
REFUSED = {
    "bad-signature": ("decrypt_error", "signature in the certificate is invalid"),
    "eku-client-only": ("unsupported_certificate", "does not match the intended purpose"),
    "expired": ("certificate_expired", "uses expired certificate"),
    "ip-mismatch": ("bad_certificate", "name in the certificate does not match"),
    "missing-intermediate": ("unknown_ca", "issuer is unknown"),
    "nc-permitted-violated": ("certificate_unknown", "violates the signer's constraints"),
    "not-yet-valid": ("bad_certificate", "uses not yet valid certificate"),
    "self-signed": ("unknown_ca", "issuer is unknown"),
    "unknown-critical": ("certificate_unknown", "unknown critical extension"),
    "untrusted-root": ("unknown_ca", "issuer is unknown"),
    "wrong-host": ("bad_certificate", "name in the certificate does not match"),
}
"""Scenarios that both refuse: OpenSSL's alert, and what gnutls-cli prints. GnuTLS has one alert for all of them."""

HOSTS = {"by name": "localhost", "by address": "127.0.0.1"}
modes = pytest.mark.parametrize("mode", ["implicit-tls", "starttls"])
hosts = pytest.mark.parametrize("host", HOSTS.values(), ids=HOSTS)


def is_address(name):
    with contextlib.suppress(ValueError):
        return bool(ipaddress.ip_address(name))
    return False


class OpenSSL:
    program = "openssl"

    @staticmethod
    def command(server, name):
        """Return the command of a client that goes on only if the certificate is good, and is good for a name."""
        return [
            *("openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", "-quiet"),
            *("-verify_return_error", "-no-CApath", "-no-CAstore", "-CAfile", server.ca_file),
            *(("-verify_ip", name) if is_address(name) else ("-verify_hostname", name, "-servername", name)),
            *(("-starttls", "smtp") if server.mode == "starttls" else ()),
        ]

    @staticmethod
    def trace(scenario_id, output):
        """Return the alert that a refusal has to send, having looked at the output."""
        assert "certificate verify failed" in output
        return REFUSED[scenario_id][0]


class GnuTLS:
    program = "gnutls-cli"

    @staticmethod
    def command(server, name):
        """Return the command of a client that goes on only if the certificate is good, and is good for a name."""
        return [
            *("gnutls-cli", "--x509cafile", server.ca_file, "--port", server.port, "127.0.0.1"),
            *(() if is_address(name) else ("--verify-hostname", name, "--sni-hostname", name)),
            *(("--starttls-proto=smtp",) if server.mode == "starttls" else ()),
        ]

    @staticmethod
    def trace(scenario_id, output):
        """Return the alert that a refusal has to send, having looked at the output."""
        assert REFUSED[scenario_id][1] in output
        return "bad_certificate"


def needs(client):
    missing = shutil.which(client.program) is None
    return pytest.param(
        client, id=client.program, marks=pytest.mark.skipif(missing, reason=f"{client.program} is not installed")
    )


clients = pytest.mark.parametrize("client", [needs(OpenSSL), needs(GnuTLS)])


@pytest.fixture
def visit(start_smtp_server, tmp_path):
    """Return a function that lets a client see a scenario; it returns the exit status, the output and the session."""

    def visit(client, scenario_id, mode, host="localhost"):
        shown = {load_scenario(scenario_id).policy_field: scenario_id}
        server = start_smtp_server(Policy(mode, host=host, **shown))
        done = subprocess.run(
            list(map(str, client.command(server, server.host))),
            input="QUIT\r\n",
            capture_output=True,
            text=True,
            timeout=DEADLINE,  # after which it is killed
            check=False,
            cwd=tmp_path,
            env={"HOME": str(tmp_path), "PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
        )
        (session,) = server.sessions.wait()
        return done.returncode, done.stdout + done.stderr, session

    return visit


@clients
@hosts
@modes
@pytest.mark.parametrize("scenario_id", ACCEPTED)
def test_what_has_to_be_accepted_is_accepted(visit, client, scenario_id, mode, host):
    assert load_scenario(scenario_id).expected == "accept"
    status, output, session = visit(client, scenario_id, mode, host)
    assert status == 0, output
    assert session.tls is not None
    assert session.tls.started_by == ("connect" if mode == "implicit-tls" else "STARTTLS")
    assert session.tls_failure is None
    assert session.end is SessionEnd.QUIT
    assert scenario_id != "tls12-only" or session.tls.version == "TLSv1.2"


@clients
@hosts
@modes
@pytest.mark.parametrize("scenario_id", REFUSED)
def test_what_has_to_be_refused_is_refused_for_its_reason(visit, client, scenario_id, mode, host):
    assert load_scenario(scenario_id).expected == "refuse"
    status, output, session = visit(client, scenario_id, mode, host)
    assert status == 1, output
    alert = client.trace(scenario_id, output)
    assert (session.tls_failure.alert, session.tls_failure.alert_sender) == (alert, "client")
    assert session.end is SessionEnd.HANDSHAKE_FAILED
    assert "QUIT" not in [event.data.decode() for event in session.transcript]


@pytest.mark.parametrize("client", [needs(GnuTLS)])
@modes
def test_gnutls_of_debian_still_takes_tls_1_0(visit, client, mode):
    status, output, session = visit(client, "tls10-only", mode)
    assert load_scenario("tls10-only").expected == "refuse"
    assert status == 0, output
    assert session.tls.version == "TLSv1"


@pytest.mark.parametrize("client", [needs(OpenSSL)])
@modes
def test_openssl_of_debian_takes_tls_1_0_no_more(visit, client, mode):
    status, _, session = visit(client, "tls10-only", mode)
    assert status == 1
    assert session.tls is None
    assert session.tls_failure.alert_sender == "client"
