"""Stand-ins of the documented client families, each a process of its own: they do what their manuals promise."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from smtpfix import Outcome as Seen
from smtpfix import Policy, RunningScenario, Server, Token
from smtpfix.audit.family import load_family
from smtpfix.audit.result import DeclaredMode, Outcome
from smtpfix.policy.catalogue_files import load_scenario
from smtpfix.record.transcript import Kind

# How audits run is test_auditing's and test_reading's, under every Python.
pytestmark = [pytest.mark.slow, pytest.mark.once, pytest.mark.usefixtures("nothing_logged")]

CLIENTS = Path(__file__).parent / "clients"
USERS = {"ann": "s3cret"}
LOGIN = ("--user", "ann", "--password", "s3cret")


def run(program, server, *options):
    """Run a stand-in and return what became of it; its CA file is what was imported."""
    trust = ["--cafile", str(server.ca_file)] if server.policy.uses_tls else []
    command = [sys.executable, CLIENTS / f"{program}.py", "--host", server.host, "--port", str(server.port), *trust]
    return subprocess.run([*command, *options], capture_output=True, text=True, timeout=60, check=False)


def commands(session):
    """Return the verbs of all commands of a session, secrets apart."""
    return [event.data.split()[0].upper() for event in session.transcript if event.kind is Kind.CLIENT]


# What the families' files say, the stand-ins do


OPTIONS = {
    ("tmail-c", "port-465"): ("tmail_c", "--as-port", "465"),
    ("tmail-c", "other-port"): ("tmail_c", "--as-port", "587"),
    ("niagara", "use-ssl"): ("niagara", "--use-ssl"),
    ("niagara", "use-start-tls"): ("niagara", "--use-start-tls"),
    ("niagara", "use-ssl-older"): ("niagara", "--use-ssl", "--tls-min", "older"),
    ("niagara", "use-start-tls-older"): ("niagara", "--use-start-tls", "--tls-min", "older"),
    ("niagara", "not-encrypted"): ("niagara", "--no-use-ssl"),
    ("conzept16", "_MailSmtp"): ("conzept16", "--variant", "_MailSmtp"),
    ("conzept16", "_MailSmtpTls"): ("conzept16", "--variant", "_MailSmtpTls"),
    ("conzept16", "_MailSmtpS"): ("conzept16", "--variant", "_MailSmtpS"),
    ("monitor", "plain"): ("monitor", "--connection", "plain"),
    ("monitor", "starttls"): ("monitor", "--connection", "starttls"),
    ("monitor", "ssl-tls"): ("monitor", "--connection", "ssl-tls"),
}
"""How each variant's stand-in is called."""

SERVED = {DeclaredMode.IMPLICIT: "implicit-tls", DeclaredMode.NONE: "plain"}
"""The server's mode, where it is not starttls."""


def cases():
    """Yield every variant and its one scenario with a login and without; test_families has all that a manual says."""
    for (family, variant), options in OPTIONS.items():
        for expectation in load_family(family).variant(variant).expectations:
            if "good" in expectation.scenarios:
                for login in (False, True) if expectation.login is None else (expectation.login,):
                    words = family, variant, "login" if login else "no-login"
                    yield pytest.param(family, variant, options, "good", login, expectation, id="/".join(words))


def outcome(server, scenario):
    """Return what a client did, in the audit's words, from the server's evidence."""
    seen = RunningScenario(scenario, server).outcome
    if any(attempt.in_clear for session in server.sessions for attempt in session.auth):
        return Outcome.LEAKED_CREDENTIALS
    return {
        Seen.DELIVERED: Outcome.DELIVERED,
        Seen.DELIVERED_IN_CLEAR: Outcome.DOWNGRADED,
        Seen.REFUSED: Outcome.REFUSED_CLEAN,
        Seen.REFUSED_LATE: Outcome.REFUSED_LATE,
    }[seen]


@pytest.mark.parametrize(("family", "variant", "options", "scenario", "login", "expectation"), tuple(cases()))
def test_a_stand_in_behaves_as_its_family_is_documented(family, variant, options, scenario, login, expectation):
    mode = load_family(family).variant(variant).mode
    shown = load_scenario(scenario)
    fields = {} if mode is DeclaredMode.NONE and scenario == "good" else {shown.policy_field: scenario}
    if login and "users" not in dict(shown.policy):
        fields["users"] = USERS
    with Server(Policy(SERVED.get(mode, "starttls"), **fields)) as server:
        done = run(*options[:1], server, *options[1:], *(LOGIN if login else ()))
        assert outcome(server, shown) in expectation.outcomes, done.stderr
        assert (done.returncode == 0) == (len(server.inbox.messages) == 1), done.stderr


def test_every_variant_that_sends_has_a_stand_in():
    """Those that read mail are in test_families."""
    variants = {(family, *one) for family, _ in OPTIONS for one in load_family(family).variants.items()}
    assert set(OPTIONS) == {(family, name) for family, name, one in variants if one.protocol == "smtp"}


@pytest.mark.parametrize("program", ["tmail_c", "niagara", "conzept16", "monitor"])
@pytest.mark.parametrize(("scenario", "status"), [("quit-421", 0), ("final-dot-451", 1)])
def test_a_message_that_was_accepted_is_sent_whatever_is_said_to_quit(program, scenario, status):
    with Server(Policy(scenario=scenario)) as server:
        options = {"tmail_c": ("--as-port", "25"), "niagara": ("--no-use-ssl",)}.get(program, ())
        assert run(program, server, *options).returncode == status
        assert len(server.inbox.messages) == 1 - status


# TMAIL_C


def test_tmail_c_gives_the_password_away_in_clear_where_starttls_is_stripped():
    with Server(Policy("starttls", scenario="strip-ehlo")) as server:
        done = run("tmail_c", server, "--as-port", "587", *LOGIN)
        assert done.returncode == 0, done.stderr
        (attempt,) = server.sessions[-1].auth
        assert attempt.in_clear
        assert attempt.password == "s3cret"
        assert not server.inbox.one().in_tls


def test_tmail_c_logs_in_inside_tls_where_starttls_is_offered():
    with Server(Policy("starttls", users=USERS)) as server:
        done = run("tmail_c", server, "--as-port", "587", *LOGIN)
        assert done.returncode == 0, done.stderr
        (attempt,) = server.sessions[-1].auth
        assert not attempt.in_clear
        assert server.inbox.one().in_tls
        assert commands(server.sessions[-1])[:3] == [b"EHLO", b"STARTTLS", b"EHLO"]


def test_tmail_c_without_the_imported_ca_trusts_nobody():
    with Server(Policy("implicit-tls")) as server:
        done = run("tmail_c", server, "--as-port", "465", "--cafile", "")
        assert done.returncode == 1
        assert "CERTIFICATE_VERIFY_FAILED" in done.stderr
        assert server.sessions[-1].tls_failure.alert == "unknown_ca"
        assert run("tmail_c", server, "--as-port", "465").returncode == 0


def test_tmail_c_decides_by_the_port_alone():
    with Server(Policy("implicit-tls")) as server:
        done = run("tmail_c", server, "--as-port", "25", "--timeout", "0.5")
        assert done.returncode == 1  # it waits for a greeting in clear
        assert server.sessions[-1].tls is None
        assert not server.inbox.messages


# Niagara


@pytest.mark.parametrize(("floor", "status"), [("TLSv1.1", 0), ("TLSv1.2", 1)])
def test_niagara_refuses_what_is_below_tls_min_protocol(floor, status):
    with Server(Policy("implicit-tls", scenario="tls11-only")) as server:
        done = run("niagara", server, "--tls-min", floor)
        assert done.returncode == status, done.stderr
        assert len(server.inbox.messages) == 1 - status


def test_niagara_uses_the_best_version_that_both_support():
    with Server(Policy("implicit-tls")) as server:
        assert run("niagara", server, "--tls-min", "older").returncode == 0
        assert server.sessions[-1].tls.version == "TLSv1.3"


def test_niagara_takes_one_switch_at_the_most():
    with Server(Policy("starttls")) as server:
        done = run("niagara", server, "--use-ssl", "--use-start-tls")
        assert done.returncode == 2
        assert "mutually exclusive" in done.stderr
        assert not server.sessions


def test_niagara_with_use_start_tls_goes_on_in_tls_only():
    with Server(Policy("starttls", scenario="strip-ehlo")) as server:
        assert run("niagara", server, "--use-start-tls", *LOGIN).returncode == 1
        assert not server.inbox.messages
        assert not server.sessions[-1].auth


def test_niagara_takes_a_self_signed_certificate_once_it_is_among_the_allowed_hosts():
    with Server(Policy("implicit-tls", certificate="self-signed-pinned")) as server:
        approved = str(server.ca_file)  # the leaf itself
        assert run("niagara", server, "--cafile", "").returncode == 1
        assert run("niagara", server, "--cafile", "", "--allowed-host", approved).returncode == 0
        with Server(Policy("implicit-tls", certificate="self-signed")) as another:
            assert run("niagara", another, "--cafile", "", "--allowed-host", approved).returncode == 1
            assert not another.inbox.messages


def test_niagara_logs_in_with_an_access_token():
    policy = Policy("implicit-tls", users={"ann": Token("t0ken")}, mechanisms=("XOAUTH2",), require_auth=True)
    with Server(policy) as server:
        oauth = ("--authenticator", "oauth", "--user", "ann", "--password")
        assert run("niagara", server, *oauth, "t0ken").returncode == 0
        assert server.inbox.one().envelope.recipients == ("ann@example.org",)
        assert run("niagara", server, *oauth, "another").returncode == 1
        assert [session.auth[0].mechanism for session in server.sessions] == ["XOAUTH2", "XOAUTH2"]


# CONZEPT 16


@pytest.mark.parametrize("certificate", ["expired", "wrong-host", "self-signed", "untrusted-root"])
@pytest.mark.parametrize(("mode", "variant"), [("starttls", "_MailSmtpTls"), ("implicit-tls", "_MailSmtpS")])
def test_conzept_16_accepts_every_certificate(mode, variant, certificate):
    with Server(Policy(mode, certificate=certificate, users=USERS)) as server:
        done = run("conzept16", server, "--variant", variant, *LOGIN)
        assert done.returncode == 0, done.stderr
        assert server.inbox.one().in_tls
        assert not server.sessions[-1].auth[0].in_clear


@pytest.mark.parametrize(("variant", "in_tls"), [("_MailSmtp", False), ("_MailSmtpTls", True)])
def test_conzept_16_uses_starttls_in_one_variant_and_never_in_the_other(variant, in_tls):
    with Server(Policy("starttls")) as server:
        assert run("conzept16", server, "--variant", variant).returncode == 0
        assert server.inbox.one().in_tls == in_tls


@pytest.mark.parametrize(("variant", "status"), [("_MailSmtp", 1), ("_MailSmtpTls", 0)])
def test_a_server_with_encrypted_transfer_only_fails_the_commands_of_a_client_without_tls(variant, status):
    with Server(Policy("tls-required")) as server:
        done = run("conzept16", server, "--variant", variant)
        assert done.returncode == status, done.stderr
        assert len(server.inbox.messages) == 1 - status
        assert ("530" in done.stderr) == bool(status)


# The monitoring job


FIGURE = re.compile(r"(.+): (-?\d+(?:\.\d)?)( ms)?")


def figures(done):
    """Return what the job printed, by name."""
    return {match[1]: float(match[2]) for match in map(FIGURE.fullmatch, done.stdout.splitlines())}


CONNECTIONS = [("plain", "plain"), ("starttls", "starttls"), ("implicit-tls", "ssl-tls")]


@pytest.mark.parametrize(("mode", "connection"), CONNECTIONS)
def test_the_monitor_measures_connection_login_and_transfer(mode, connection):
    with Server(Policy(mode, users=USERS)) as server:
        done = run("monitor", server, "--connection", connection, *LOGIN)
        found = figures(done)
        assert list(found) == ["connection time", "login time", "transfer time", "reply code", "job error code"]
        assert (found["reply code"], found["job error code"], done.returncode) == (0, 0, 0)
        assert done.stdout.count(" ms\n") == 3
        message = server.inbox.one()
        assert message.in_tls == (mode != "plain")
        assert message.html


@pytest.mark.parametrize(("mode", "connection"), CONNECTIONS)
def test_the_monitor_without_a_recipient_logs_in_and_sends_nothing(mode, connection):
    with Server(Policy(mode, users=USERS)) as server:
        done = run("monitor", server, "--connection", connection, "--to", "", *LOGIN)
        assert list(figures(done)) == ["connection time", "login time", "reply code", "job error code"]
        assert done.returncode == 0
        assert server.sessions[-1].auth[0].accepted
        assert not server.inbox.messages
        assert not {b"MAIL", b"RCPT", b"DATA"}.intersection(commands(server.sessions[-1]))


def test_the_monitor_without_a_user_does_not_log_in():
    with Server(Policy(users=USERS)) as server:
        done = run("monitor", server)
        assert list(figures(done)) == ["connection time", "transfer time", "reply code", "job error code"]
        assert not server.sessions[-1].auth


@pytest.mark.parametrize(
    ("scenario", "code"),
    [("greeting-554", 554), ("greeting-421", 421), ("rcpt-550", 550), ("mail-452", 452), ("auth-535", 535)],
)
def test_the_monitor_s_reply_code_is_the_mailer_s_when_it_says_no(scenario, code):
    with Server(Policy(scenario=scenario)) as server:
        done = run("monitor", server, *(LOGIN if scenario.startswith("auth") else ()))
        found = figures(done)
        assert (found["reply code"], found["job error code"], done.returncode) == (code, 1, 1)


@pytest.mark.parametrize("scenario", ["greeting-close", "handshake-close", "untrusted-root"])
def test_the_monitor_s_reply_code_is_minus_one_when_nobody_answered(scenario):
    field = load_scenario(scenario).policy_field
    with Server(Policy("starttls", **{field: scenario})) as server:
        found = figures(run("monitor", server, "--connection", "starttls"))
        assert (found["reply code"], found["job error code"]) == (-1, 1)


def test_the_monitor_s_reply_code_is_minus_one_where_nobody_listens():
    with Server() as server:
        closed = server.port
    command = [sys.executable, CLIENTS / "monitor.py", "--host", "localhost", "--port", str(closed)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert figures(done)["reply code"] == -1
