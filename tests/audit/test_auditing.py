"""Whole audits: what is told apart, and what it is worth."""

from __future__ import annotations

import asyncio
import base64
import os
import shutil
import smtplib
import socket
import ssl
import sys
import threading
from pathlib import Path

import pytest

from smtpfix import Flag, Grade, Target, Verdict, audit_client
from smtpfix.audit.auditing import Audit, declare
from smtpfix.audit.command import Command
from smtpfix.audit.digest import lines
from smtpfix.audit.report import to_html
from smtpfix.audit.result import DeclaredMode, Ending, Outcome, Trust
from smtpfix.errors import ExtraMissing, InvalidValueError, UnknownScenario

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("nothing_logged")]

CLIENTS = Path(__file__).parent / "clients"
CREDENTIALS = ("ann", "s3cret-word")


def program(name, *arguments):
    given = arguments or ("{host}", "{port}", "{sender}", "{recipient}")
    return Command((sys.executable, "-S", str(CLIENTS / f"{name}.py"), *given))


def findings(result):
    return {finding.scenario: finding for finding in result.findings}


def outcomes(result):
    return {finding.scenario: finding.outcome for finding in result.findings}


# What is promised of smtplib


def test_smtplib_that_verifies_is_authenticated_with_the_gap_of_the_common_name():
    result = audit_client("smtplib", credentials=CREDENTIALS)
    assert result.grade is Grade.GAPS
    assert result.keeps_its_promise
    assert result.flags == ()
    (cause,) = result.causes
    assert (cause.flaw, cause.fix) == ("common-name", "Set context.hostname_checks_common_name = False.")
    assert {one.key for one in result.findings if one.verdict is not Verdict.PASSED} == {*cause.keys}
    assert any("cn-only" in reason for reason in result.reasons)
    assert {"certificates", "tls", "stripping", "injection", "timing"} <= {one.group for one in result.findings}
    assert not [one for one in result.findings if one.outcome is Outcome.NOT_RUN]
    assert result.findings[0].scenario == "good"
    assert result.is_complete


@pytest.mark.once  # beside the audit above, which runs under every Python
def test_smtplib_that_never_looks_at_the_common_name_is_authenticated():
    def deliver(target):
        context = ssl.create_default_context(cafile=target.ca_file)
        context.hostname_checks_common_name = False
        with smtplib.SMTP_SSL(target.host, target.port, "client.example", timeout=4, context=context) as client:
            client.sendmail(target.sender, [target.recipient], "Subject: x\r\n\r\nx\r\n")

    result = audit_client(deliver, mode="implicit", groups=["certificates", "tls"])
    assert (result.grade, result.causes) == (Grade.AUTHENTICATED, ())


def test_a_few_scenarios_that_pass_are_too_few_for_a_grade_and_it_says_what_is_missing():
    ids = ["good", "untrusted-root", "wrong-host", "strip-ehlo"]
    result = audit_client("smtplib", ids=ids, credentials=CREDENTIALS)
    assert outcomes(result) == {
        "good": Outcome.DELIVERED,
        **dict.fromkeys(["untrusted-root", "wrong-host", "strip-ehlo"], Outcome.REFUSED_CLEAN),
    }
    assert result.grade is Grade.UNKNOWN
    (missing,) = result.reasons
    assert missing.startswith("Not known, since no scenario about it was chosen: part-of-name, leaf-as-issuer")


def test_smtplib_that_does_not_verify_is_encrypted_and_unauthenticated():
    result = audit_client("smtplib-unverified", ids=["good", "untrusted-root", "wrong-host", "strip-ehlo"])
    assert result.grade is Grade.UNAUTHENTICATED
    assert not result.keeps_its_promise
    assert result.flags == ()
    finding = findings(result)["wrong-host"]
    assert (finding.outcome, finding.verdict) == (Outcome.DELIVERED, Verdict.FAILED)
    assert finding.fix == "Leave context.check_hostname = True, as ssl.create_default_context() sets it."
    assert finding.consequence


def deliver_if_offered(target: Target) -> None:
    """Use STARTTLS where it is offered, and log in either way."""
    with smtplib.SMTP(target.host, target.port, "client.example", timeout=10) as client:
        client.ehlo()
        if client.has_extn("starttls"):
            client.starttls(context=ssl.create_default_context(cafile=target.ca_file))
        if target.user is not None:
            client.login(target.user, target.password)
        client.sendmail(target.sender, [target.recipient], "Subject: x\r\n\r\nx\r\n")


OPPORTUNISTIC = ["good", "untrusted-root", "wrong-host", "strip-ehlo", "strip-ehlo-noauth"]


def test_an_opportunistic_login_leaks_credentials_under_stripping():
    result = audit_client(deliver_if_offered, mode="opportunistic", credentials=CREDENTIALS, ids=OPPORTUNISTIC)
    assert result.flags == (Flag.LEAKS_CREDENTIALS_ACTIVE,)
    finding = findings(result)["strip-ehlo"]
    assert (finding.outcome, finding.verdict) == (Outcome.LEAKED_CREDENTIALS, Verdict.FAILED)
    assert finding.evidence[2] == "In clear, AUTH PLAIN as 'ann' with the password."
    assert result.grade is Grade.OPPORTUNISTIC
    assert CREDENTIALS[1] not in repr(result)


def test_an_opportunistic_client_without_a_login_is_capped_and_not_blamed():
    result = audit_client(deliver_if_offered, mode="opportunistic", ids=OPPORTUNISTIC)
    assert result.flags == ()
    finding = findings(result)["strip-ehlo"]
    assert (finding.outcome, finding.verdict) == (Outcome.DOWNGRADED, Verdict.CAPPED)
    assert result.grade is Grade.OPPORTUNISTIC
    assert result.keeps_its_promise


def test_the_same_client_declared_to_require_tls_fails():
    result = audit_client(deliver_if_offered, ids=OPPORTUNISTIC)
    finding = findings(result)["strip-ehlo"]
    assert (finding.outcome, finding.verdict) == (Outcome.LEAKED_MESSAGE, Verdict.FAILED)
    assert not result.keeps_its_promise
    assert result.grade is Grade.OPPORTUNISTIC


# Programs that misbehave, each in its own way


def test_a_client_that_lies_about_success_is_misreporting():
    result = audit_client(program("lying"), mode="none", ids=["good", "rcpt-550", "final-dot-451"])
    assert result.flags == (Flag.MISREPORTS,)
    found = findings(result)
    assert found["good"].verdict is Verdict.PASSED  # where it is the truth
    for scenario in ("rcpt-550", "final-dot-451"):
        assert found[scenario].outcome is Outcome.REFUSED_CLEAN
        assert found[scenario].also == (Outcome.MISREPORTED,)
        assert found[scenario].verdict is Verdict.FAILED
        assert found[scenario].run.ending is Ending.SUCCEEDED
    assert "sent, hm" in found["rcpt-550"].run.said


def test_a_client_that_never_ends_is_ended_with_all_that_it_started(tmp_path):
    result = audit_client(program("hanging"), mode="none", ids=["good"], timeout=8)
    (finding,) = result.findings
    assert (finding.outcome, finding.also) == (Outcome.DELIVERED, (Outcome.HUNG,))
    assert finding.verdict is Verdict.FAILED
    assert finding.run.ending is Ending.TIMED_OUT
    assert finding.run.said == "waiting"
    assert result.flags == (Flag.HANGS,)


def test_a_client_that_crashes_is_told_from_one_that_refuses():
    result = audit_client(program("crashing"), mode="none", ids=["good", "rcpt-550"])
    finding = findings(result)["rcpt-550"]
    assert (finding.outcome, finding.verdict) == (Outcome.REFUSED_CLEAN, Verdict.FAILED)
    assert (finding.run.ending, finding.run.status) == (Ending.CRASHED, -11)
    assert "It was ended by signal 11." in finding.evidence
    assert "crash" in finding.consequence


def test_a_client_that_never_connects_was_not_audited():
    result = audit_client(program("absent"), mode="none", ids=["good", "rcpt-550"])
    assert {finding.outcome for finding in result.findings} == {Outcome.NOT_RUN}
    assert "never connected" in result.findings[0].reason
    assert "the queue is full" in result.findings[0].reason
    assert result.grade is Grade.UNKNOWN
    assert not result.keeps_its_promise
    assert result.flags == ()


def test_a_password_in_the_message_is_a_leak_where_the_message_goes_in_clear():
    client = program("telling", "{host}", "{port}", "{sender}", "{recipient}", "{password}")
    result = audit_client(client, mode="none", ids=["good"], credentials=CREDENTIALS)
    (finding,) = result.findings
    assert (finding.outcome, finding.verdict) == (Outcome.LEAKED_CREDENTIALS, Verdict.FAILED)
    assert "In clear, the password in the message, in base64." in finding.evidence
    assert result.flags == (Flag.LEAKS_CREDENTIALS_PASSIVE,)


def test_the_same_client_without_a_secret_leaks_none():
    client = program("telling", "{host}", "{port}", "{sender}", "{recipient}", "nothing secret")
    result = audit_client(client, mode="none", ids=["good"], credentials=CREDENTIALS)
    assert result.findings[0].outcome is Outcome.UNAUTHENTICATED_SEND
    assert result.flags == ()


def test_a_second_try_in_clear_is_seen_on_its_own_connection():
    client = program("retrying", "{host}", "{port}", "{cafile}", "{sender}", "{recipient}")
    result = audit_client(client, ids=["good", "bad-cert-then-plain"])
    finding = findings(result)["bad-cert-then-plain"]
    assert (finding.outcome, finding.verdict) == (Outcome.LEAKED_MESSAGE, Verdict.FAILED)
    assert finding.run.connections == 2
    assert "It connected 2 times." in finding.evidence
    assert findings(result)["good"].run.connections == 1


# Callables


def deliver_at_once(target: Target) -> None:
    with smtplib.SMTP_SSL(
        target.host,
        target.port,
        "client.example",
        timeout=10,
        context=ssl.create_default_context(cafile=target.ca_file),
    ) as client:
        client.sendmail(target.sender, [target.recipient], Path(target.message).read_bytes())


def test_a_closure_can_be_audited_and_runs_in_a_process_of_its_own():
    seen = []

    def deliver(target):
        seen.append(os.getpid())
        deliver_at_once(target)
        sys.stdout.write("this is shown")

    result = audit_client(deliver, mode="implicit", ids=["good"])
    (finding,) = result.findings
    assert finding.outcome is Outcome.DELIVERED
    assert finding.run.said == "this is shown"
    assert seen == []
    assert result.client.endswith("deliver")


def test_a_password_that_the_client_prints_is_not_repeated():
    def deliver(target):
        sys.stdout.write(f"logging in with {target.password}")
        sys.exit(1)

    result = audit_client(deliver, mode="implicit", ids=["good"], credentials=CREDENTIALS)
    (finding,) = result.findings
    assert finding.run.said == "logging in with …(11 characters)"
    assert finding.reason.endswith("it said: logging in with …(11 characters)")


def test_a_coroutine_function_can_be_audited():
    async def deliver(target):
        await asyncio.to_thread(deliver_at_once, target)

    result = audit_client(deliver, mode="implicit", ids=["good", "expired"])
    assert outcomes(result) == {"good": Outcome.DELIVERED, "expired": Outcome.REFUSED_CLEAN}
    assert "CERTIFICATE_VERIFY_FAILED" in findings(result)["expired"].run.said


def test_a_callable_that_hangs_before_it_connects_is_ended():
    result = audit_client(lambda target: threading.Event().wait(), mode="implicit", ids=["good"], timeout=0.5)
    assert result.findings[0].outcome is Outcome.HUNG
    assert result.flags == (Flag.BROKEN, Flag.HANGS)


def test_a_callable_that_leaves_by_sys_exit_is_believed_in_its_status():
    def deliver(target):
        deliver_at_once(target)
        sys.exit(3)

    result = audit_client(deliver, mode="implicit", ids=["good"])
    (finding,) = result.findings
    assert (finding.run.ending, finding.run.status) == (Ending.FAILED, 3)
    assert finding.also == (Outcome.MISREPORTED,)  # the message was accepted


def test_a_callable_that_dies_by_a_signal_has_crashed():
    def deliver(target):
        deliver_at_once(target)
        os.kill(os.getpid(), 11)

    result = audit_client(deliver, mode="implicit", ids=["good"])
    assert (result.findings[0].run.ending, result.findings[0].run.status) == (Ending.CRASHED, -11)


def test_names_of_several_labels_lead_a_callable_to_the_server():
    result = audit_client(deliver_at_once, mode="implicit", ids=["good", "wildcard-ok", "wildcard-apex"])
    assert outcomes(result) == {
        "good": Outcome.DELIVERED,
        "wildcard-ok": Outcome.DELIVERED,
        "wildcard-apex": Outcome.REFUSED_CLEAN,
    }


# What a server that does nothing wrong shows


def test_a_refusal_of_a_server_that_does_nothing_wrong_is_false():
    def deliver(target):
        context = ssl.create_default_context(cafile=target.ca_file)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with smtplib.SMTP_SSL(target.host, target.port, "client.example", timeout=10, context=context) as client:
            client.sendmail(target.sender, [target.recipient], "Subject: x\r\n\r\nx\r\n")

    ids = ["good", "tls12-only", "tls13-only", "untrusted-root", "wrong-host"]
    result = audit_client(deliver, mode="implicit", ids=ids)
    finding = findings(result)["tls13-only"]
    assert (finding.outcome, finding.verdict) == (Outcome.FALSE_REFUSAL, Verdict.FAILED)
    assert findings(result)["tls12-only"].verdict is Verdict.PASSED
    assert result.grade is Grade.UNKNOWN


def test_a_client_that_delivers_to_nobody_is_broken_and_its_refusals_say_nothing():
    def deliver(target):
        with smtplib.SMTP_SSL(target.host, target.port, timeout=10):  # trusts the system's authorities only
            raise AssertionError

    result = audit_client(deliver, mode="implicit", ids=["good", "untrusted-root", "wrong-host"])
    assert result.flags[0] is Flag.BROKEN
    assert result.grade is Grade.UNKNOWN
    assert not result.keeps_its_promise


def test_a_scenario_that_cannot_be_shown_is_not_run_and_never_counted_as_passed(monkeypatch):
    def missing(*_):
        raise ExtraMissing("scenario 'ssl30' needs tlslite-ng: pip install 'smtpfix[legacy-tls]'")

    monkeypatch.setattr("smtpfix.pki.authority.Authority._legacy", missing)
    result = audit_client(deliver_at_once, mode="implicit", ids=["good", "ssl30"])
    finding = findings(result)["ssl30"]
    assert (finding.outcome, finding.verdict) == (Outcome.NOT_RUN, Verdict.NOT_RUN)
    assert "smtpfix[legacy-tls]" in finding.reason
    assert finding.run is None
    assert findings(result)["good"].verdict is Verdict.PASSED


# Injection


class Wire:
    """A client that reads replies out of one buffer."""

    def __init__(self, target):
        self.socket = socket.create_connection((target.host, target.port), 5)
        self.buffer = b""

    def reply(self):
        lines = []
        while not lines or lines[-1][3:4] == b"-":
            while b"\r\n" not in self.buffer:
                octets = self.socket.recv(65_536)
                if not octets:
                    raise ConnectionError
                self.buffer += octets
            line, _, self.buffer = self.buffer.partition(b"\r\n")
            lines.append(line)
        return b"\n".join(lines)

    def say(self, line):
        self.socket.sendall(line + b"\r\n")
        return self.reply()


def by_wire(*, forgets=True, goes_by_offer=True):
    """Return a client that forgets, or does not, what came in clear, and goes by what is offered, or does not."""

    def deliver(target):
        wire = Wire(target)
        wire.reply()
        wire.say(b"EHLO client.example")
        assert wire.say(b"STARTTLS")[:3] == b"220"
        context = ssl.create_default_context(cafile=target.ca_file)
        wire.socket = context.wrap_socket(wire.socket, server_hostname=target.host)
        if forgets:
            wire.buffer = b""
        offered = wire.say(b"EHLO client.example")
        if goes_by_offer and b"PLAIN" not in offered:
            raise RuntimeError
        blob = base64.b64encode(f"\0{target.user}\0{target.password}".encode())
        assert wire.say(b"AUTH PLAIN " + blob)[:1] == b"2"
        for line in (f"MAIL FROM:<{target.sender}>", f"RCPT TO:<{target.recipient}>", "DATA", "\r\n."):
            assert wire.say(line.encode())[:1] in (b"2", b"3")
        wire.say(b"QUIT")

    return deliver


INJECTIONS = ["good", "inject-differential", "inject-ignored-ehlo"]


def test_a_client_that_believes_what_was_injected_is_caught():
    result = audit_client(by_wire(forgets=False), ids=INJECTIONS, credentials=CREDENTIALS)
    assert result.flags == (Flag.INJECTABLE,)
    for scenario, control in (
        ("inject-differential", "control-cram-only"),
        ("inject-ignored-ehlo", "control-ignored-ehlo"),
    ):
        finding = findings(result)[scenario]
        assert (finding.outcome, finding.verdict) == (Outcome.ACTED_ON_INJECTION, Verdict.FAILED)
        assert finding.control is not None
        assert f"without the injection ({control}) it does not do so" in finding.evidence[-1]


def test_a_client_that_forgets_it_is_not():
    result = audit_client(by_wire(), ids=INJECTIONS, credentials=CREDENTIALS)
    assert result.flags == ()
    assert {one.verdict for one in result.findings} == {Verdict.PASSED}


def test_a_client_that_never_goes_by_the_offer_is_not_injectable_as_the_control_run_shows():
    client = by_wire(goes_by_offer=False)
    result = audit_client(client, ids=["good", "inject-differential"], credentials=CREDENTIALS)
    finding = findings(result)["inject-differential"]
    assert finding.outcome is Outcome.DELIVERED
    assert "without the injection (control-cram-only) it does so too" in finding.evidence[-1]
    assert result.flags == ()


# What is asked for


def test_groups_and_scenarios_choose_what_is_run_and_the_rest_is_counted():
    audit = Audit(program("absent"), declare("implicit", "pki"), groups=["stripping"], ids=["expired", "good"])
    assert [case.scenario.id for case in audit.plan.cases] == ["good", "expired"]
    assert "strip-ehlo" in audit.plan.left_out  # a client of implicit TLS never says STARTTLS


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"mode": "tls"}, "mode: expected one of implicit, starttls-required, opportunistic, none, got 'tls'"),
        ({"trust": "all"}, "trust: expected one of pki, pinned, none, got 'all'"),
        ({"credentials": "ann"}, "credentials: expected a user and a password: user:password"),
        ({"credentials": "ann:abc"}, "is too short: .* take 4 or more"),
        ({"credentials": ("ann", "s3cret\r\nword")}, "a user and a password on one line"),
        ({"credentials": "ann\n:s3cret-word"}, "a user and a password on one line"),
        ({"credentials": "ann:s3cret-\udcff"}, "write a user and a password in UTF-8"),
        ({"groups": ["striping"]}, r"did you mean 'stripping'\?"),
        ({"jobs": 0}, "jobs: expected a whole number, 1 or more, got 0"),
        ({"timeout": 0}, "timeout: expected seconds, more than 0, got 0"),
    ],
)
def test_nonsense_is_refused_before_anything_runs(options, said):
    with pytest.raises(InvalidValueError, match=said) as caught:
        audit_client("smtplib", **options)
    assert "abc" not in str(caught.value)


def test_an_unknown_scenario_is_refused_with_the_nearest_one():
    with pytest.raises(UnknownScenario, match="expired"):
        audit_client("smtplib", ids=["expird"])


def test_what_is_no_client_is_refused():
    with pytest.raises(InvalidValueError, match="a callable, the name of a built-in client, or a Command"):
        audit_client(7)


def test_a_declaration_holds_what_was_declared():
    declaration = declare("none", "none", "ann:pass:word")
    assert declaration.mode is DeclaredMode.NONE
    assert declaration.trust is Trust.NONE
    assert (declaration.user, declaration.password) == ("ann", "pass:word")


# Trust


def test_a_pinned_client_refuses_other_keys_and_minds_no_authority():
    ids = ["good", "untrusted-root", "expired", "pin-other-key", "key-rotated", "strip-ehlo"]
    result = audit_client("smtplib", trust="pinned", ids=ids)
    expected = {finding.scenario: finding.expected for finding in result.findings}
    assert expected["untrusted-root"] == expected["expired"] == "either"
    assert expected["pin-other-key"] == expected["key-rotated"] == "refuse"
    found = outcomes(result)
    assert found["untrusted-root"] is Outcome.DELIVERED
    assert found["pin-other-key"] is found["key-rotated"] is Outcome.REFUSED_CLEAN


def test_a_client_declared_to_trust_anybody_is_not_blamed_for_it_and_not_praised():
    result = audit_client("smtplib-unverified", trust="none", ids=["good", "untrusted-root", "strip-ehlo"])
    assert {one.verdict for one in result.findings} == {Verdict.PASSED}
    assert result.keeps_its_promise
    assert result.grade is Grade.UNAUTHENTICATED


# Broken off


def test_what_is_known_is_told_when_it_is_broken_off():
    audit = Audit(program("lying"), declare("none", "pki"), ids=["good", "rcpt-550", "mail-421"], jobs=1)

    def break_off(done, total, scenario):
        if done == 2:
            raise KeyboardInterrupt

    result = audit.run(break_off)
    assert not result.is_complete
    assert not result.keeps_its_promise
    known = [finding for finding in result.findings if finding.outcome is not Outcome.NOT_RUN]
    assert 2 <= len(known) <= 3
    assert result.findings[0].outcome is Outcome.DELIVERED


def test_breaking_off_a_call_is_no_result(monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("smtpfix.audit.runner.Runner.run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        audit_client(program("lying"), mode="none", ids=["good"])


def test_scenarios_of_ones_own_are_run_and_judged(tmp_path):
    late, full = tmp_path / "late.toml", tmp_path / "full.toml"
    late.write_text(
        'summary = "Past"\nexpected = "refuse"\nstandard = "RFC 5280"\n'
        "[leaf]\nnot_before = -60\nnot_after = -30\n[openssl]\nverify_code = 10\n"
    )
    full.write_text(
        'summary = "Full"\nexpected = "refuse"\nstandard = "RFC 5321"\ngroup = "delivery"\n'
        'rules = ["RCPT: 552 5.2.2 full"]\n'
    )
    seen = [
        {
            one.scenario: (one.outcome, one.flaw)
            for one in audit_client(client, mode="implicit", ids=[late, full]).findings
        }
        for client in ("smtplib", "smtplib-unverified")
    ]
    assert [one["late"] for one in seen] == [("refused-clean", ""), ("delivered", "validity")]
    assert {one["full"] for one in seen} == {("refused-clean", "")}


def logging_in(exchange):
    """Return a client that logs in by an exchange of its own, whatever the server offers."""

    def deliver(target):
        context = ssl.create_default_context(cafile=target.ca_file)
        with smtplib.SMTP_SSL(target.host, target.port, timeout=target.patience, context=context) as client:
            client.ehlo()
            exchange(client, target.user, target.password)
            client.sendmail(target.sender, [target.recipient], Path(target.message).read_bytes())

    return deliver


def answered(client, line, octets=b""):
    code, reply = client.docmd(f"{line} {base64.b64encode(octets).decode()}".strip())
    assert code in (235, 334), reply
    return base64.b64decode(reply) if code == 334 else reply


def plain(client, user, password):
    answered(client, "AUTH PLAIN", f"\0{user}\0{password}".encode())


def xoauth2(client, user, token):
    answered(client, "AUTH XOAUTH2", f"user={user}\x01auth=Bearer {token}\x01\x01".encode())


def scram(client, user, password):
    exchange = pytest.importorskip("scramp").ScramClient(["SCRAM-SHA-256"], user, password)
    exchange.set_server_first(answered(client, "AUTH SCRAM-SHA-256", exchange.get_client_first().encode()).decode())
    exchange.set_server_final(answered(client, "", exchange.get_client_final().encode()).decode())
    client.docmd("")


@pytest.mark.parametrize(
    ("exchange", "mechanisms", "password"),
    [
        (plain, (), "pä ss:wörd"),
        (xoauth2, "xoauth2", "t0ken.of-a_kind=="),
        (xoauth2, "PLAIN, XOAUTH2", "t0ken"),
        (scram, ["SCRAM-SHA-256"], "s3cret-word"),
    ],
    ids=["any password", "a token", "a token or a password", "SCRAM"],
)
def test_the_good_server_offers_what_the_client_is_declared_to_log_in_by(exchange, mechanisms, password):
    if exchange is scram:
        pytest.importorskip("scramp")
    result = audit_client(
        logging_in(exchange),
        mode="implicit",
        ids=["good", "auth-cram-first", "ehlo-lowercase", "tls12-only"],
        credentials=("ann", password),
        mechanisms=mechanisms,
    )
    assert {"good": "delivered", "tls12-only": "delivered"}.items() <= outcomes(result).items()
    names = "PLAIN" in mechanisms or not mechanisms
    assert result.left_out == (() if names else ("auth-cram-first", "ehlo-lowercase"))
    assert any("'ann' who had logged in" in fact for fact in findings(result)["good"].evidence)


def test_a_token_that_goes_over_the_wire_in_clear_is_a_leak():
    def deliver(target):
        with smtplib.SMTP(target.host, target.port, timeout=target.patience) as client:
            client.ehlo()
            xoauth2(client, target.user, target.password)

    result = audit_client(deliver, ids=["strip-ehlo"], credentials=("ann", "t0ken"), mechanisms=["XOAUTH2"])
    assert outcomes(result)["strip-ehlo"] is Outcome.LEAKED_CREDENTIALS


@pytest.mark.parametrize(
    ("credentials", "mechanisms", "expected"),
    [
        (("ann", "no token"), "XOAUTH2", "credentials: expected a token"),
        (None, "XOAUTH2", "mechanisms: expected credentials with mechanisms"),
        (("ann", "s3cret"), "GSSAPI", "mechanisms: expected one of PLAIN, LOGIN, CRAM-MD5"),
    ],
)
def test_mechanisms_that_make_no_sense_are_refused(credentials, mechanisms, expected):
    with pytest.raises(InvalidValueError, match=expected):
        declare("implicit", "pki", credentials, mechanisms)


def test_what_is_worth_knowing_changes_no_verdict():
    def deliver(target):  # looks at no revocation, and logs in only where that is offered
        context = ssl.create_default_context(cafile=target.ca_file)
        with smtplib.SMTP(target.host, target.port, timeout=target.patience) as client:
            client.starttls(context=context)
            client.ehlo()
            if client.has_extn("auth"):
                client.login(target.user, target.password)
            client.sendmail(target.sender, [target.recipient], Path(target.message).read_bytes())

    ids = ["auth-none-in-tls", "revoked-crl", "expired"]
    result = audit_client(deliver, credentials=CREDENTIALS, ids=ids)
    assert {one.verdict for one in result.findings} == {Verdict.PASSED}
    sent, revoked = result.notes
    assert "without the login" in sent
    assert sent.endswith(": auth-none-in-tls.")
    assert revoked.endswith(": revoked-crl.")
    for shown in ("\n".join(lines(result)), to_html(result)):
        assert "Worth knowing" in shown
        assert sent.partition(": ")[0] in shown
    careful = audit_client("smtplib", credentials=CREDENTIALS, ids=["auth-none-in-tls"])
    assert careful.notes == ()
    assert "Worth knowing" not in "\n".join(lines(careful))


def test_a_refused_recipient_is_worth_knowing_where_it_is_hidden_and_not_known_where_there_is_one():
    def hides(target):
        with smtplib.SMTP(target.host, target.port, timeout=target.patience) as client:
            client.sendmail(target.sender, target.recipients, Path(target.message).read_bytes())

    def takes_one(target):
        with smtplib.SMTP(target.host, target.port, timeout=target.patience) as client:
            client.sendmail(target.sender, target.recipient, Path(target.message).read_bytes())

    hidden, one = (audit_client(client, mode="none", ids=["rcpt-partial"]) for client in (hides, takes_one))
    assert hidden.notes == ("It reports success where one of several recipients was refused: rcpt-partial.",)
    assert findings(hidden)["rcpt-partial"].verdict is Verdict.PASSED
    assert findings(one)["rcpt-partial"].verdict is Verdict.NOT_RUN
    assert "RCPT after the first 1" in findings(one)["rcpt-partial"].reason


STAPLES = Command(
    (
        *("curl", "--disable", "--silent", "--show-error", "--cert-status", "--ssl-reqd", "--cacert", "{cafile}"),
        *("--max-time", "{patience}", "--upload-file", "{message}", "--mail-from", "{sender}"),
        *("--mail-rcpt", "{recipient}", "--resolve", "{host}:{port}:{address}", "smtp://{host}:{port}/{name}"),
    ),
    finds_names=True,
    is_isolated=True,
)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_a_client_that_demands_a_staple_refuses_for_what_a_scenario_shows():
    pytest.importorskip("OpenSSL")
    ids = ["wildcard-ok", "rcpt-550", "wrong-host", "must-staple-without-staple", "revoked-ocsp-staple", "ssl30"]
    without = audit_client(STAPLES, ids=["good"])
    assert without.flags == (Flag.BROKEN,)
    seen = findings(audit_client(STAPLES, ids=ids, expect_staple=True))
    delivered = [name for name, one in seen.items() if one.outcome is Outcome.DELIVERED]
    assert sorted(delivered) == ["good", "wildcard-ok"]
    assert seen["ssl30"].verdict is Verdict.NOT_RUN
    assert "stapled" in seen["ssl30"].reason
    assert {one.verdict for name, one in seen.items() if name != "ssl30"} == {Verdict.PASSED}
    assert seen["revoked-ocsp-staple"].expected == "refuse"
    assert any("mailbox" in one or "RCPT" in one for one in seen["rcpt-550"].run.transcripts)


LEAVES_A_CHILD = """
import os, smtplib, ssl, sys
host, port, cafile = sys.argv[1:]
if os.fork():
    os._exit(0)  # at once, as daemon(3) has it: the child is still in its process group
os.setsid()
nothing = os.open(os.devnull, os.O_RDWR)
for output in (1, 2):
    os.dup2(nothing, output)
with smtplib.SMTP(host, int(port), timeout=4) as client:
    client.starttls(context=ssl.create_default_context(cafile=cafile))
    client.sendmail("ann@example.org", ["bob@example.org"], "Subject: x")
"""


def test_a_client_that_leaves_its_work_to_a_child_is_waited_for_by_its_connection(tmp_path):
    program = tmp_path / "daemon.py"
    program.write_text(LEAVES_A_CHILD)
    client = Command((sys.executable, str(program), "{host}", "{port}", "{cafile}"))
    result = audit_client(client, ids=["wildcard-ok", "expired", "rcpt-550"])
    assert {one.scenario: one.outcome for one in result.findings} == {
        "good": Outcome.DELIVERED,
        "wildcard-ok": Outcome.DELIVERED,
        "expired": Outcome.REFUSED_CLEAN,
        "rcpt-550": Outcome.REFUSED_CLEAN,
    }
    assert {one.run.ending for one in result.findings} == {Ending.ELSEWHERE}
    assert result.flags == ()
