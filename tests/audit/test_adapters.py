"""The built-in clients: each delivers in every mode it has, and does what it is told to."""

from __future__ import annotations

import asyncio
import builtins
import inspect
import shutil
import threading
from dataclasses import replace

import pytest

from smtpfix import Authority, Policy, Server, Target, audit_client
from smtpfix.audit.adapters import ADAPTERS, adapter, by_aiosmtplib, by_smtplib, by_smtplib_unverified
from smtpfix.audit.auditing import declare
from smtpfix.audit.result import DeclaredMode, Ending, Outcome, Trust, Verdict
from smtpfix.audit.target import FILLING, write_message
from smtpfix.errors import ExtraMissing, InvalidValueError

pytestmark = pytest.mark.usefixtures("nothing_logged")

CREDENTIALS = ("ann", "s3cret-word")
SERVER_MODES = {
    DeclaredMode.IMPLICIT: "implicit-tls",
    DeclaredMode.STARTTLS_REQUIRED: "starttls",
    DeclaredMode.OPPORTUNISTIC: "starttls",
    DeclaredMode.NONE: "plain",
}
PROGRAMS = ("curl", "msmtp", "swaks")
PAIRS = [(name, mode) for name in ADAPTERS for mode in DeclaredMode if (name, mode) != ("msmtp", "opportunistic")]


def needs(name):
    if name in PROGRAMS and shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")


@pytest.mark.parametrize(("name", "mode"), PAIRS)
def test_an_adapter_delivers_to_a_good_server_in_every_mode_it_has(name, mode):
    needs(name)
    result = audit_client(name, mode=mode, credentials=CREDENTIALS, ids=["good"])
    (finding,) = result.findings
    assert finding.run.ending is Ending.SUCCEEDED, finding.run.said
    assert finding.run.delivered == 1
    if mode is DeclaredMode.NONE:  # where a login is a leak, and the mode's own
        assert (finding.outcome, finding.also) == (Outcome.LEAKED_CREDENTIALS, (Outcome.DELIVERED,))
    else:
        assert (finding.outcome, finding.also) == (Outcome.DELIVERED, ())
        assert any("nside TLS, AUTH" in fact for fact in finding.evidence)


@pytest.mark.parametrize("name", ADAPTERS)
def test_an_adapter_finds_names_of_several_labels_and_says_which_it_wants(name):
    needs(name)
    result = audit_client(name, mode="implicit", ids=["good", "sni-required", "wildcard-ok"])
    assert {finding.outcome for finding in result.findings} == {Outcome.DELIVERED}


@pytest.mark.parametrize("name", [name for name in ADAPTERS if name != "smtplib-unverified"])
def test_an_adapter_that_verifies_refuses_an_authority_it_does_not_know(name):
    needs(name)
    result = audit_client(name, mode="starttls-required", ids=["good", "untrusted-root"], credentials=CREDENTIALS)
    assert [finding.outcome for finding in result.findings] == [Outcome.DELIVERED, Outcome.REFUSED_CLEAN]


@pytest.mark.parametrize("name", [name for name in ADAPTERS if name != "smtplib-unverified"])
def test_an_adapter_writes_what_it_is_asked_to_write(name):
    needs(name)
    ids = ["content-close", "crlf-in-address", "end-of-data", "no-8bitmime", "no-smtputf8"]
    result = audit_client(name, mode="none", ids=ids)
    assert not [finding.reason for finding in result.findings if finding.outcome is Outcome.NOT_RUN]
    found = {finding.scenario: finding for finding in result.findings}
    assert found["no-8bitmime"].evidence[1].startswith("Body-without-8bitmime: ")  # as it was given to them
    assert found["content-close"].outcome is Outcome.REFUSED_CLEAN


@pytest.mark.parametrize("name", [name for name in ADAPTERS if name != "smtplib-unverified"])
def test_an_adapter_takes_several_recipients_and_all_but_swaks_tell_that_one_was_refused(name):
    needs(name)
    result = audit_client(name, mode="none", ids=["rcpt-partial", "rcpt-mixed"])
    for finding in result.findings[1:]:
        assert finding.verdict is Verdict.PASSED, finding
        assert "recipient2@example.org" in finding.run.transcripts[0]
    assert result.flags == ()
    assert ("reports success" in "".join(result.notes)) is (name == "swaks")


@pytest.mark.parametrize("name", ["smtplib", "msmtp"])
def test_an_adapter_that_pins_takes_the_certificate_itself_and_no_other(name):
    needs(name)
    ids = ["good", "self-signed-pinned", "pin-other-key", "strip-ehlo"]
    result = audit_client(name, mode="starttls-required", trust="pinned", ids=ids)
    assert {one.scenario: one.outcome for one in result.findings} == {
        "good": Outcome.DELIVERED,
        "self-signed-pinned": Outcome.DELIVERED,
        "pin-other-key": Outcome.REFUSED_CLEAN,
        "strip-ehlo": Outcome.REFUSED_CLEAN,
    }


def test_msmtp_has_no_opportunistic_mode():
    with pytest.raises(InvalidValueError, match="msmtp has TLS on or off"):
        adapter("msmtp", declare("opportunistic", "pki"))


def test_an_unknown_adapter_is_refused_with_those_there_are():
    with pytest.raises(
        InvalidValueError, match=r"there are smtplib, smtplib-unverified, aiosmtplib, curl, msmtp, swaks .did you"
    ):
        adapter("smtplb", declare("none", "pki"))


def test_an_adapter_whose_package_is_missing_says_what_to_install(monkeypatch):
    original = builtins.__import__

    def without(name, *args, **keywords):
        if name == "aiosmtplib":
            raise ImportError(name)
        return original(name, *args, **keywords)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ExtraMissing, match="pip install aiosmtplib"):
        adapter("aiosmtplib", declare("none", "pki"))


@pytest.fixture
def target(tmp_path):
    """Return a function that makes a target of a server."""

    def make(server, mode, *, trust=Trust.PKI, ca_file=None):
        return Target(
            host=server.host,
            port=server.port,
            address=server.place.address,
            ca_file=str(ca_file or (server.ca_file if server.policy.uses_tls else "")),
            sender="ann@example.org",
            recipient="bob@example.org",
            subject="a-word",
            mode=mode,
            trust=trust,
            workdir=str(tmp_path),
            message=str(
                write_message(tmp_path, sender="ann@example.org", recipient="bob@example.org", subject="a-word")
            ),
            user="ann",
            password="s3cret-word",
        )

    return make


@pytest.mark.parametrize("mode", DeclaredMode)
@pytest.mark.parametrize("deliver", [by_smtplib, by_smtplib_unverified, by_aiosmtplib])
def test_a_python_client_delivers_where_it_is_told_to(target, deliver, mode):
    with Server(Policy(SERVER_MODES[mode], users={"ann": "s3cret-word"})) as server:
        value = deliver(target(server, mode))
        if inspect.isawaitable(value):
            asyncio.run(value)
        message = server.inbox.one(subject="a-word")
    assert message.in_tls is (mode is not DeclaredMode.NONE)
    assert message.user == "ann"
    assert message.text == "A message of the audit.\n.this line begins with a dot\n" + FILLING


def test_the_pinned_certificate_is_all_that_counts(target, tmp_path):
    with (
        Authority() as authority,
        Server(Policy("implicit-tls", certificate="wrong-host"), authority=authority) as server,
    ):
        pin = tmp_path / "pin.pem"
        pin.write_text(authority.chain(server.policy.chain_scenario, server.place).leaf.pem)
        given = target(server, DeclaredMode.IMPLICIT, trust=Trust.PINNED, ca_file=pin)
        by_smtplib(replace(given, user=None))
        assert len(server.inbox) == 1


@pytest.mark.parametrize("name", ADAPTERS)
def test_an_adapter_calls_itself_as_it_is_told(target, tmp_path, name):
    needs(name)
    client = adapter(name, declare("none", "pki"))
    client.start(1)
    try:
        with Server(Policy("plain")) as server:
            given = replace(target(server, DeclaredMode.NONE), user=None, client_name="other.example")
            ended = client.run(given, timeout=10, stop=threading.Event())
            assert ended.ending is Ending.SUCCEEDED, ended.said
            assert "ehlo other.example" in str(server.sessions[-1].transcript).lower()
    finally:
        client.close()


def test_a_server_that_shows_another_certificate_than_the_pinned_one_is_refused():
    result = audit_client("smtplib", trust="pinned", ids=["good", "bad-cert-then-plain", "self-signed-pinned"])
    assert [finding.outcome for finding in result.findings] == [
        Outcome.DELIVERED,
        Outcome.DELIVERED,
        Outcome.REFUSED_CLEAN,
    ]
