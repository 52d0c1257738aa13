"""The stand-ins of documented clients through the audit: as their manuals have them, and what that is worth."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from smtpfix.audit.auditing import audit_client
from smtpfix.audit.command import Command
from smtpfix.audit.family import compare, documented, load_family
from smtpfix.audit.result import Flag, Grade, Outcome, Verdict
from smtpfix.cli import main

pytestmark = [pytest.mark.slow, pytest.mark.once]  # how audits run is test_auditing's, under every Python

CLIENTS = Path(__file__).parent / "clients"
CREDENTIALS = "ann:s3cret-word"

OPTIONS = {
    "tmail-c/port-465": ("tmail_c", "--as-port", "465"),
    "tmail-c/other-port": ("tmail_c", "--as-port", "587"),
    "niagara/use-ssl": ("niagara", "--use-ssl"),
    "niagara/use-start-tls": ("niagara", "--use-start-tls"),
    "niagara/use-ssl-older": ("niagara", "--use-ssl", "--tls-min", "older"),
    "niagara/use-start-tls-older": ("niagara", "--use-start-tls", "--tls-min", "older"),
    "niagara/not-encrypted": ("niagara", "--no-use-ssl"),
    "niagara/imap-use-ssl": ("niagara_incoming", "--store", "imap", "--use-ssl"),
    "niagara/imap-use-start-tls": ("niagara_incoming", "--store", "imap", "--use-start-tls"),
    "niagara/imap-not-encrypted": ("niagara_incoming", "--store", "imap", "--no-use-ssl"),
    "niagara/pop3-use-ssl": ("niagara_incoming", "--store", "pop3", "--use-ssl"),
    "niagara/pop3-use-start-tls": ("niagara_incoming", "--store", "pop3", "--use-start-tls"),
    "niagara/pop3-not-encrypted": ("niagara_incoming", "--store", "pop3", "--no-use-ssl"),
    "conzept16/_MailSmtp": ("conzept16", "--variant", "_MailSmtp"),
    "conzept16/_MailSmtpTls": ("conzept16", "--variant", "_MailSmtpTls"),
    "conzept16/_MailSmtpS": ("conzept16", "--variant", "_MailSmtpS"),
    "monitor/plain": ("monitor", "--connection", "plain"),
    "monitor/starttls": ("monitor", "--connection", "starttls"),
    "monitor/ssl-tls": ("monitor", "--connection", "ssl-tls"),
}
"""How each variant's stand-in is called."""

NOT_PYTHON_S = ("ssl30",)
"""What Python's TLS cannot negotiate, and so no stand-in."""
OF_THE_GROUP = ("bad-signature", "not-yet-valid", "wrong-host")
"""Where the manual speaks of all certificates, these are tried."""


def line(name, *, login=False):
    """Return the command line of a stand-in."""
    program, *options = OPTIONS[name]
    given = [
        "--host",
        "{host}",
        "--port",
        "{port}",
        "--cafile",
        "{cafile}",
        "--from",
        "{sender}",
        "--to",
        "{recipient}",
    ]
    given += ["--user", "{user}", "--password", "{password}"] if login else []
    return (sys.executable, str(CLIENTS / f"{program}.py"), *given, "--timeout", "5", *options)


def variant(name):
    family, _, one = name.partition("/")
    return load_family(family).variant(one)


def ids(name):
    """Return the scenarios that a manual speaks of."""
    found = dict.fromkeys(("good",))
    for expectation in variant(name).expectations:
        found |= dict.fromkeys((*expectation.scenarios, *(OF_THE_GROUP if expectation.groups else ())))
    return [one for one in found if one not in NOT_PYTHON_S]


def audit(name, *ids, login=False):
    declared = variant(name).declaration()
    return audit_client(
        Command(line(name, login=login)),
        mode=declared.mode,
        trust=declared.trust,
        credentials=CREDENTIALS if login else None,
        protocol=declared.protocol,
        ids=ids,
        timeout=20,
    )


def cases():
    """Yield every variant with a login, and without where its manual makes a difference."""
    for name in OPTIONS:
        yield pytest.param(name, True, id=f"{name}/login")
        if any(expectation.login is False for expectation in variant(name).expectations):
            yield pytest.param(name, False, id=f"{name}/no-login")


@pytest.mark.parametrize(("name", "login"), tuple(cases()))
def test_each_variant_behaves_as_documented(name, login):
    result = audit(name, *ids(name), login=login)
    assert compare(result, variant(name)) == ()
    assert documented(result, variant(name))
    assert {finding.reason for finding in result.findings if finding.outcome is Outcome.NOT_RUN} <= {""}


def test_every_variant_has_a_stand_in():
    families = {name.partition("/")[0] for name in OPTIONS}
    assert set(OPTIONS) == {f"{family}/{one}" for family in families for one in load_family(family).variants}


def test_another_client_does_not_behave_as_documented():
    """A stand-in that goes on in clear, measured by the manual of one that has TLS from the first byte."""
    declared = variant("tmail-c/port-465").declaration()
    careless = Command(line("conzept16/_MailSmtpS"))
    result = audit_client(careless, mode=declared.mode, trust=declared.trust, ids=ids("tmail-c/port-465"))
    differences = compare(result, variant("tmail-c/port-465"))
    assert len(differences) == 4
    assert all("it delivered; the manual has it refuse: the CA" in difference for difference in differences)


# What that is worth


STRIPPED = ("strip-ehlo", "strip-mangled")
TRUSTED = ("untrusted-root", "wrong-host")


@pytest.mark.parametrize(("login", "flags"), [(True, (Flag.LEAKS_CREDENTIALS_ACTIVE,)), (False, ())])
def test_tmail_c_on_another_port_gives_a_password_to_whoever_takes_tls_away(login, flags):
    result = audit("tmail-c/other-port", *STRIPPED, *TRUSTED, login=login)
    assert result.flags == flags
    assert result.grade is Grade.OPPORTUNISTIC
    stripped = {finding.outcome for finding in result.findings if finding.scenario in STRIPPED}
    assert stripped == {Outcome.LEAKED_CREDENTIALS if login else Outcome.DOWNGRADED}


def test_tmail_c_on_465_gives_it_to_nobody():
    result = audit("tmail-c/port-465", "plain-on-tls-port", *TRUSTED, login=True)
    assert result.flags == ()
    assert {finding.verdict for finding in result.findings} == {Verdict.PASSED}


@pytest.mark.parametrize(
    ("name", "grade"),
    [("conzept16/_MailSmtpTls", Grade.OPPORTUNISTIC), ("conzept16/_MailSmtpS", Grade.UNAUTHENTICATED)],
)
def test_conzept_16_with_tls_takes_every_certificate(name, grade):
    result = audit(name, *TRUSTED, "expired", "self-signed", "bad-signature", "eku-client-only", "rsa1024")
    assert {finding.outcome for finding in result.findings} == {Outcome.DELIVERED}
    assert Verdict.FAILED not in {finding.verdict for finding in result.findings}  # it is declared to trust anybody
    assert result.grade is grade


def test_conzept_16_would_fail_where_it_was_said_to_look_at_certificates():
    result = audit_client(Command(line("conzept16/_MailSmtpS")), mode="implicit", trust="pki", ids=TRUSTED)
    assert [finding.verdict for finding in result.findings] == ["passed", "failed", "failed"]
    assert result.grade is Grade.UNAUTHENTICATED


def test_conzept_16_without_tls_is_plaintext():
    assert audit("conzept16/_MailSmtp", "good").grade is Grade.PLAINTEXT


# On the command line


def run(name, program, *ids, login=True):
    """Audit a stand-in as a family's variant, and return the exit status."""
    wanted = [word for one in ids for word in ("--scenario", one)]
    credentials = ["--credentials", CREDENTIALS] if login else []
    return main(["audit", "--family", name, *credentials, *wanted, "--", *line(program, login=login)])


def test_the_command_says_that_it_behaves_as_documented_and_what_that_is_worth(capfd):
    assert run("tmail-c/other-port", "tmail-c/other-port", *STRIPPED, *TRUSTED) == 1
    printed = capfd.readouterr().out
    assert "opportunistic, trust pki\n" in printed  # which the manual declares
    assert "\n  LEAKS CREDENTIALS (active): " in printed
    assert "\nIt behaves as documented for tmail-c/other-port.\n" in printed


def test_the_command_lists_where_it_does_not(capfd):
    assert run("tmail-c/port-465", "conzept16/_MailSmtpS", "untrusted-root", login=False) == 1
    printed = capfd.readouterr().out
    assert re.search(
        r"It does not behave as documented for tmail-c/port-465:\n  under untrusted-root in mode implicit-tls it "
        r"delivered; the manual has it refuse: the CA .*\n\n",
        printed,
    )


@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_the_command_audits_an_incoming_account_that_logs_in_with_a_token(protocol, capfd):
    """The manual's variant says the protocol; it is declared by that alone."""
    name = f"niagara/{protocol}-use-start-tls"
    options = ["--credentials", "ann:t0ken", "--mechanisms", "XOAUTH2", "--scenario", "untrusted-root"]
    command = [*line(name, login=True), "--authenticator", "oauth"]
    assert main(["audit", "--family", name, *options, "--", *command]) == 0
    printed = capfd.readouterr().out
    assert f"{protocol.upper()}, starttls-required, trust pki, logging in as 'ann'" in printed
    assert f"\nIt behaves as documented for {name}.\n" in printed


@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_an_incoming_account_that_reads_in_clear_is_not_as_documented_for_one_with_tls(protocol, capfd):
    assert run(f"niagara/{protocol}-use-start-tls", f"niagara/{protocol}-not-encrypted", "good") == 1
    assert "sent the password in clear; the manual has it read its mail: it connects in clear" in capfd.readouterr().out


def test_a_family_s_file_of_ones_own(tmp_path, capfd):
    file = tmp_path / "coffee.toml"
    file.write_text(
        'title = "The coffee machine"\nsource = "Chapter 7."\n'
        '[variant.secure]\ntitle = "On"\nsource = "Chapter 7."\nmode = "implicit"\ntrust = "pki"\nport = 465\n'
        '[[variant.secure.expect]]\nscenarios = ["untrusted-root"]\noutcomes = ["refused-clean"]\nwhy = "it looks"\n'
    )
    assert run(f"{file}/secure", "tmail-c/port-465", "untrusted-root", "wrong-host", login=False) == 0
    assert f"It behaves as documented for {file}/secure.\n" in capfd.readouterr().out
